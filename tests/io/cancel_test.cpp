// SPDX-License-Identifier: BSL-1.0
// Every call is a switch point: a cancelled fiber leaves it by weft::cancelled.
#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

struct parked_call {
  const char* name;
  void (*call)(int fd); // fd: nothing to read, nothing can be written
};

char buffer[1 << 16];
iovec part{buffer, sizeof buffer};

msghdr message() {
  msghdr m{};
  m.msg_iov = &part;
  m.msg_iovlen = 1;
  return m;
}

const parked_call calls[] = {
    {"read", [](int fd) { io::read(fd, buffer, 1); }},
    {"readv", [](int fd) { io::readv(fd, &part, 1); }},
    {"recv", [](int fd) { io::recv(fd, buffer, 1, 0); }},
    {"recvfrom", [](int fd) { io::recvfrom(fd, buffer, 1, 0, nullptr, nullptr); }},
    {"recvmsg",
     [](int fd) {
       msghdr m = message();
       io::recvmsg(fd, &m, 0);
     }},
    {"write", [](int fd) { io::write(fd, buffer, 9); }},
    {"writev", [](int fd) { io::writev(fd, &part, 1); }},
    {"send", [](int fd) { io::send(fd, buffer, 9, 0); }},
    {"sendto", [](int fd) { io::sendto(fd, buffer, 9, 0, nullptr, 0); }},
    {"sendmsg",
     [](int fd) {
       const msghdr m = message();
       io::sendmsg(fd, &m, 0);
     }},
    {"accept",
     [](int) {
       const tcp_listener listener;
       io::accept(listener.fd, nullptr, nullptr);
     }},
    {"accept4",
     [](int) {
       const tcp_listener listener;
       io::accept4(listener.fd, nullptr, nullptr, 0);
     }},
    {"connect",
     [](int) {
       // A listener whose queue is full answers no more.
       const tcp_listener listener(0);
       std::vector<owned_fd> queue;
       for (int i = 0; i < 3; ++i) {
         queue.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
         ::connect(queue.back(), listener.generic(), sizeof listener.address);
       }
       const owned_fd one{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
       io::connect(one, listener.generic(), sizeof listener.address);
     }},
    {"poll",
     [](int fd) {
       pollfd one{fd, POLLIN, 0};
       io::poll(&one, 1, -1);
     }},
    {"select",
     [](int fd) {
       fd_set set;
       FD_ZERO(&set);
       FD_SET(fd, &set);
       io::select(fd + 1, &set, nullptr, nullptr, nullptr);
     }},
    {"epoll_wait",
     [](int) {
       const owned_fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
       epoll_event event;
       io::epoll_wait(epoll, &event, 1, -1);
     }},
};

class cancelling : public testing::TestWithParam<parked_call> {
 protected:
  fd_pair sockets_ = make_unix_pair(SOCK_STREAM);
  void SetUp() override {
    while (::send(sockets_.second, buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
  }
  void TearDown() override { io::close(sockets_.second.release()); }

  /// Closes what a cancelled call leaves, so that the hub's record of the number goes.
  template <class Before>
  void run_and_cancel(Before before) {
    in_fiber([&] {
      bool thrown = false, returned = false;
      auto victim = spawn([&] {
        try {
          before();
          GetParam().call(sockets_.second);
          returned = true;
        } catch (const cancelled&) {
          thrown = true;
          throw;
        }
      });
      for (int i = 0; i < 3; ++i)
        sleep(500us);
      EXPECT_FALSE(victim.done());
      EXPECT_TRUE(victim.cancel());
      EXPECT_TRUE(victim.join(2s));
      EXPECT_TRUE(thrown);
      EXPECT_FALSE(returned);
      EXPECT_THROW(victim.get(), task_cancelled);
    });
  }
};

TEST_P(cancelling, while_parked) {
  run_and_cancel([] {});
}

TEST_P(cancelling, before_the_call) {
  in_fiber([&] {
    bool returned = false;
    auto victim = spawn([&] {
      current().cancel();
      GetParam().call(sockets_.second);
      returned = true;
    });
    EXPECT_TRUE(victim.join(2s));
    EXPECT_FALSE(returned);
    EXPECT_THROW(victim.get(), task_cancelled);
  });
}

TEST_P(cancelling, may_be_swallowed_and_the_call_made_again) {
  in_fiber([&] {
    int thrown = 0;
    auto victim = spawn([&] {
      while (thrown < 2) {
        try {
          GetParam().call(sockets_.second);
          return;
        } catch (const cancelled&) {
          ++thrown;
        }
      }
    });
    for (int i = 0; i < 2; ++i) {
      sleep(1ms);
      EXPECT_TRUE(victim.cancel());
    }
    EXPECT_TRUE(victim.join(2s));
    EXPECT_EQ(thrown, 2);
    EXPECT_NO_THROW(victim.get());
  });
}

INSTANTIATE_TEST_SUITE_P(calls, cancelling, testing::ValuesIn(calls),
                         [](const auto& info) { return info.param.name; });

TEST(cancelled_reader, loses_no_byte) {
  auto [a, b] = make_tcp_pair(0);
  in_fiber([&, &a = a, &b = b] {
    auto first = spawn([&] { return read_exactly(a, 1); });
    sleep(1ms);
    // Data and request in one go: whichever is seen first, the byte is still there or was read.
    EXPECT_EQ(io::write(b, "x", 1), 1);
    first.cancel();
    first.join();
    std::string got;
    try {
      got = first.get();
    } catch (const task_cancelled&) {
    }
    if (got.empty()) got = read_exactly(a, 1, 1s);
    EXPECT_EQ(got, "x");
  });
}

TEST(cancelled_reader, leaves_the_others_waiting) {
  auto [a, b] = make_tcp_pair(0);
  in_fiber([&, &a = a, &b = b] {
    std::vector<task<std::string>> readers;
    for (int i = 0; i < 3; ++i)
      readers.push_back(spawn([&] { return read_exactly(a, 1); }));
    sleep(1ms);
    readers[1].kill();
    EXPECT_EQ(io::write(b, "xy", 2), 2);
    EXPECT_EQ(readers[0].get() + readers[2].get(), "xy");
  });
}

} // namespace
} // namespace weft::test
