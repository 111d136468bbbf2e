// SPDX-License-Identifier: BSL-1.0
// Where a remembered readiness could lie: nothing hangs, nothing is lost.
#include <cstring>
#include <random>

#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

/// Runs `read` as a fiber that must be done within two seconds; its result.
template <class F>
std::string within_time(F read) {
  auto t = spawn(read);
  if (!t.join(2s)) {
    t.kill();
    return "HANGS";
  }
  return t.get();
}

std::string read_to_end(int fd, std::size_t step) {
  std::string text;
  std::vector<char> buffer(step);
  for (ssize_t n; (n = io::read(fd, buffer.data(), step)) > 0;)
    text.append(buffer.data(), static_cast<std::size_t>(n));
  return text;
}

/// Has a reader wait on `fd` and leave again, so that it is registered.
void make_known(int fd) {
  char c;
  EXPECT_EQ(io::read(fd, &c, 1, 100us), -1);
}

TEST(readiness, who_does_not_wait_is_told_what_is_there_now) {
  in_fiber([] {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
      auto [a, b] = make_unix_pair(SOCK_STREAM | flags);
      pollfd one{a, POLLIN, 0};
      EXPECT_EQ(io::poll(&one, 1, 1), 0); // known not to be ready
      EXPECT_EQ(io::write(b, "xy", 2), 2);
      char c; // the hub has not looked since
      EXPECT_EQ(io::read(a, &c, 1, 0s), 1);
      EXPECT_EQ(io::read(a, &c, 1, flags ? deadline::never() : 0s), 1);
    }
  });
}

TEST(readiness, data_and_fin_before_registration) {
  in_fiber([] {
    for (std::size_t step : {1, 4, 5, 64}) {
      auto [a, b] = make_tcp_pair(0);
      EXPECT_EQ(io::write(b, "hello", 5), 5);
      io::close(b.release());
      EXPECT_EQ(within_time([&, fd = int{a}] { return read_to_end(fd, step); }), "hello");
      io::close(a.release());
    }
  });
}

TEST(readiness, data_and_fin_after_registration) {
  in_fiber([] {
    for (std::size_t step : {1, 4, 5, 64})
      for (auto pause : {0us, 300us}) {
        auto [a, b] = make_tcp_pair(0);
        make_known(a);
        EXPECT_EQ(io::write(b, "hello", 5), 5);
        sleep(pause);
        io::close(b.release());
        sleep(pause);
        EXPECT_EQ(within_time([&, fd = int{a}] { return read_to_end(fd, step); }), "hello");
        io::close(a.release());
      }
  });
}

TEST(readiness, passed_descriptors_end_a_read_early) {
  in_fiber([] {
    auto [a, b] = make_unix_pair(SOCK_STREAM);
    make_known(a);
    EXPECT_EQ(io::write(b, "one", 3), 3);
    char control[CMSG_SPACE(sizeof(int))] = {};
    char text[] = "two";
    iovec part{text, 3};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int passed = STDIN_FILENO;
    std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
    EXPECT_EQ(io::sendmsg(b, &message, 0), 3);
    EXPECT_EQ(io::write(b, "three", 5), 5);
    io::close(b.release());
    EXPECT_EQ(within_time([fd = int{a}] { return read_to_end(fd, 64); }), "onetwothree");
    io::close(a.release());
  });
}

TEST(readiness, urgent_data_ends_a_read_early) {
  in_fiber([] {
    auto [a, b] = make_tcp_pair(0);
    make_known(a);
    EXPECT_EQ(io::send(b, "before", 6, 0), 6);
    EXPECT_EQ(io::send(b, "!", 1, MSG_OOB), 1);
    EXPECT_EQ(io::send(b, "after", 5, 0), 5);
    pollfd urgent{a, POLLPRI, 0};
    EXPECT_EQ(io::poll(&urgent, 1, 1000), 1);
    char c = 0;
    EXPECT_EQ(io::recv(a, &c, 1, MSG_OOB), 1);
    EXPECT_EQ(c, '!');
    EXPECT_EQ(within_time([fd = int{a}] { return read_exactly(fd, 11); }), "beforeafter");
    io::close(a.release());
    io::close(b.release());
  });
}

TEST(readiness, each_datagram_is_read) {
  in_fiber([] {
    auto [a, b] = make_unix_pair(SOCK_DGRAM);
    make_known(a);
    for (const char* each : {"one", "two", "three"})
      EXPECT_GT(io::write(b, each, std::strlen(each)), 0);
    EXPECT_EQ(within_time([fd = int{a}] {
                std::string all;
                char buffer[64];
                while (all.size() < 11)
                  all.append(buffer, static_cast<std::size_t>(io::read(fd, buffer, sizeof buffer)));
                return all;
              }),
              "onetwothree");
    io::close(a.release());
    io::close(b.release());
  });
}

TEST(readiness, a_reset_reaches_the_reader) {
  in_fiber([] {
    auto [a, b] = make_tcp_pair(0);
    auto reader = spawn([fd = int{a}] {
      char c;
      return io::read(fd, &c, 1) == -1 ? errno : 0;
    });
    yield();
    const linger hard{1, 0};
    ::setsockopt(b, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    io::close(b.release());
    EXPECT_EQ(reader.get(), ECONNRESET);
    io::close(a.release());
  });
}

TEST(readiness, shutdown_wakes_the_reader) {
  in_fiber([] {
    auto [a, b] = make_tcp_pair(0);
    auto reader = spawn([fd = int{a}] {
      char c;
      return io::read(fd, &c, 1);
    });
    yield();
    ::shutdown(a, SHUT_RD);
    EXPECT_EQ(reader.get(), 0);
    io::close(a.release());
  });
}

TEST(readiness, both_directions_at_once) {
  in_fiber([] {
    auto [a, b] = make_tcp_pair(0);
    const std::string text = pattern(2'000'000);
    const auto pump = [&](int fd) {
      auto writer = spawn([&, fd] { return io::write(fd, text.data(), text.size()); });
      const bool right = read_exactly(fd, text.size()) == text;
      return right && writer.get() == static_cast<ssize_t>(text.size());
    };
    auto first = spawn(pump, int{a});
    auto second = spawn(pump, int{b});
    EXPECT_TRUE(first.get());
    EXPECT_TRUE(second.get());
    io::close(a.release());
    io::close(b.release());
  });
}

TEST(readiness, random_traffic_is_never_lost) {
  std::mt19937 random{7};
  in_fiber([&] {
    for (int round = 0; round < 60; ++round) {
      auto [a, b] = round % 3 == 0   ? make_tcp_pair(0)
                    : round % 3 == 1 ? make_unix_pair(SOCK_STREAM)
                                     : make_pipe(0);
      std::string sent;
      auto writer = spawn([&, fd = b.release()] {
        for (int i = 0; i < 30; ++i) {
          const std::string more = pattern(random() % 9000 + 1);
          sent += more;
          EXPECT_EQ(io::write(fd, more.data(), more.size()), static_cast<ssize_t>(more.size()));
          if (random() % 3 == 0) sleep(20us);
        }
        io::close(fd);
      });
      const std::string received =
          within_time([&, fd = int{a}] { return read_to_end(fd, random() % 5000 + 1); });
      writer.join();
      ASSERT_TRUE(received == sent) << "round " << round;
      io::close(a.release());
    }
  });
}

} // namespace
} // namespace weft::test
