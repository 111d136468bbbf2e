// SPDX-License-Identifier: BSL-1.0
// When a deadline comes first.
#include <cstring>

#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

/// A call that finds nothing; its result when `until` has come.
struct waiting_call {
  const char* name;
  int (*result)(int readable, int full, deadline until); // 0: timed out as it should
};

int timed_out(ssize_t result) {
  return result == -1 && errno == ETIMEDOUT ? 0 : 1;
}

char buffer[1 << 16];
iovec part{buffer, sizeof buffer};

const waiting_call calls[] = {
    {"read", [](int fd, int, deadline until) { return timed_out(io::read(fd, buffer, 1, until)); }},
    {"readv",
     [](int fd, int, deadline until) { return timed_out(io::readv(fd, &part, 1, until)); }},
    {"recv",
     [](int fd, int, deadline until) { return timed_out(io::recv(fd, buffer, 1, 0, until)); }},
    {"recvfrom",
     [](int fd, int, deadline until) {
       return timed_out(io::recvfrom(fd, buffer, 1, 0, nullptr, nullptr, until));
     }},
    {"recvmsg",
     [](int fd, int, deadline until) {
       msghdr message{};
       message.msg_iov = &part;
       message.msg_iovlen = 1;
       return timed_out(io::recvmsg(fd, &message, 0, until));
     }},
    {"write",
     [](int, int fd, deadline until) { return timed_out(io::write(fd, buffer, 9, until)); }},
    {"writev",
     [](int, int fd, deadline until) { return timed_out(io::writev(fd, &part, 1, until)); }},
    {"send",
     [](int, int fd, deadline until) { return timed_out(io::send(fd, buffer, 9, 0, until)); }},
    {"sendto",
     [](int, int fd, deadline until) {
       return timed_out(io::sendto(fd, buffer, 9, 0, nullptr, 0, until));
     }},
    {"sendmsg",
     [](int, int fd, deadline until) {
       msghdr message{};
       message.msg_iov = &part;
       message.msg_iovlen = 1;
       return timed_out(io::sendmsg(fd, &message, 0, until));
     }},
    {"accept4",
     [](int, int, deadline until) {
       tcp_listener listener;
       const int result = timed_out(io::accept4(listener.fd, nullptr, nullptr, 0, until));
       io::close(listener.fd.release());
       return result;
     }},
    {"poll",
     [](int fd, int, deadline until) {
       pollfd one{fd, POLLIN, 0};
       return io::poll(&one, 1, until);
     }},
    {"select",
     [](int fd, int, deadline until) {
       fd_set set;
       FD_ZERO(&set);
       FD_SET(fd, &set);
       const int found = io::select(fd + 1, &set, nullptr, nullptr, until);
       return found != 0 ? found : FD_ISSET(fd, &set);
     }},
    {"epoll_wait",
     [](int fd, int, deadline until) {
       owned_fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
       epoll_event event{};
       event.events = EPOLLIN;
       ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
       const int result = io::epoll_wait(epoll, &event, 1, until);
       io::close(epoll.release());
       return result;
     }},
};

class deadline_of : public testing::TestWithParam<waiting_call> {
 protected:
  fd_pair sockets_ = make_unix_pair(SOCK_STREAM);

  void SetUp() override {
    while (::send(sockets_.second, buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
    // The other direction is empty: nothing to read from `second`, nothing fits into it.
  }
  void TearDown() override { io::close(sockets_.second.release()); }
  int call(deadline until) { return GetParam().result(sockets_.second, sockets_.second, until); }
};

TEST_P(deadline_of, a_span) {
  in_fiber([&] {
    const auto begun = clock::now();
    EXPECT_EQ(call(5ms), 0);
    EXPECT_GE(clock::now() - begun, 5ms);
    EXPECT_LT(clock::now() - begun, 500ms);
  });
}

TEST_P(deadline_of, a_point_and_others_run_meanwhile) {
  in_fiber([&] {
    int ticks = 0;
    const auto ticker = spawn([&] {
      for (;; ++ticks)
        sleep(1ms);
    });
    const auto end = clock::now() + 20ms;
    EXPECT_EQ(call(end), 0);
    EXPECT_GE(clock::now(), end);
    EXPECT_GE(ticks, 3);
  });
}

TEST_P(deadline_of, none_means_not_waiting) {
  in_fiber([&] {
    const auto begun = clock::now();
    for (deadline until : {deadline(0s), deadline(-5s), deadline(clock::time_point{})})
      EXPECT_EQ(call(until), 0);
    EXPECT_LT(clock::now() - begun, 500ms);
  });
}

TEST_P(deadline_of, twice_in_a_row) {
  in_fiber([&] {
    for (int i = 0; i < 2; ++i)
      EXPECT_EQ(call(2ms), 0);
  });
}

INSTANTIATE_TEST_SUITE_P(calls, deadline_of, testing::ValuesIn(calls),
                         [](const auto& info) { return info.param.name; });

TEST(deadlines, what_comes_in_time_counts) {
  auto [a, b] = make_tcp_pair(0);
  in_fiber([&, &a = a, &b = b] {
    auto reader = spawn([&] { return read_exactly(a, 5, 2s); });
    sleep(2ms);
    EXPECT_EQ(io::write(b, "hello", 5, 2s), 5);
    EXPECT_EQ(reader.get(), "hello");
  });
}

TEST(deadlines, one_that_is_past_still_takes_what_is_there) {
  auto [a, b] = make_tcp_pair(0);
  in_fiber([&, &a = a, &b = b] {
    EXPECT_EQ(io::write(b, "hello", 5, -1s), 5);
    EXPECT_EQ(read_exactly(a, 5, 0s), "hello");
    pollfd one{b, POLLOUT, 0};
    EXPECT_EQ(io::poll(&one, 1, 0s), 1);
  });
}

TEST(deadlines, what_was_written_before_counts) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  const std::string much = pattern(5'000'000);
  in_fiber([&, &a = a, &b = b] {
    const ssize_t sent = io::write(b, much.data(), much.size(), 5ms);
    ASSERT_GT(sent, 0);
    ASSERT_LT(sent, static_cast<ssize_t>(much.size()));
    EXPECT_TRUE(read_exactly(a, static_cast<std::size_t>(sent)) ==
                much.substr(0, static_cast<std::size_t>(sent)));
    EXPECT_EQ(timed_out(io::read(a, buffer, 1, 1ms)), 0) << "and no more than that";
  });
}

TEST(deadlines, a_thousand_time_outs_leave_nothing_behind) {
  auto [a, b] = make_tcp_pair(0);
  in_fiber([&, &a = a, &b = b] {
    std::vector<task<int>> readers;
    for (int i = 0; i < 1000; ++i)
      readers.push_back(spawn([&] {
        char c;
        return timed_out(io::read(a, &c, 1, 5ms));
      }));
    joinall(readers);
    for (auto& each : readers)
      EXPECT_EQ(each.get(), 0);
    EXPECT_EQ(io::write(b, "x", 1), 1);
    EXPECT_EQ(read_exactly(a, 1), "x");
  });
}

} // namespace
} // namespace weft::test
