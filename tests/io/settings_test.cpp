// SPDX-License-Identifier: BSL-1.0
// What the user set on a descriptor is honoured, and never changed.
#include <sys/time.h>

#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

int error_of(ssize_t result) {
  return result == -1 ? errno : 0;
}

TEST(non_blocking, descriptors_give_eagain) {
  for (bool sockets : {true, false}) {
    auto [a, b] = sockets ? make_unix_pair() : make_pipe();
    in_fiber([&, &a = a, &b = b] {
      static char buffer[70'000] = {};
      const iovec part{buffer, sizeof buffer};
      for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(error_of(io::read(a, buffer, 1)), EAGAIN);
        EXPECT_EQ(error_of(io::readv(a, &part, 1)), EAGAIN);
      }
      ssize_t last = 0;
      for (ssize_t n; (n = io::write(b, buffer, sizeof buffer)) > 0;)
        last = n;
      EXPECT_EQ(errno, EAGAIN);
      EXPECT_LE(last, static_cast<ssize_t>(sizeof buffer)) << "a part, then no more";
      EXPECT_EQ(error_of(io::writev(b, &part, 1)), EAGAIN);
      EXPECT_FALSE(blocking(a));
      EXPECT_FALSE(blocking(b));
      io::close(a.release());
      io::close(b.release());
    });
  }
}

TEST(non_blocking, a_long_write_stops_where_the_kernel_does) {
  auto [a, b] = make_unix_pair();
  const std::string much = pattern(5'000'000);
  in_fiber([&, &b = b] {
    const ssize_t n = io::write(b, much.data(), much.size());
    EXPECT_GT(n, 0);
    EXPECT_LT(n, static_cast<ssize_t>(much.size()));
    io::close(b.release());
  });
}

TEST(non_blocking, sockets_accept_and_connect_without_waiting) {
  tcp_listener listener(1, SOCK_NONBLOCK);
  in_fiber([&] {
    EXPECT_EQ(error_of(io::accept(listener.fd, nullptr, nullptr)), EAGAIN);
    // Until its queue is full and it answers no more.
    int error = 0;
    std::vector<owned_fd> clients;
    for (int i = 0; i < 5; ++i) {
      clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      error = error_of(io::connect(clients.back(), listener.generic(), sizeof listener.address));
    }
    EXPECT_EQ(error, EINPROGRESS);
    for (auto& each : clients)
      io::close(each.release());
    io::close(listener.fd.release());
  });
}

TEST(non_blocking, is_looked_at_anew_after_refresh) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  in_fiber([&, &a = a, &b = b] {
    char c;
    EXPECT_EQ(error_of(io::read(a, &c, 1, 1ms)), ETIMEDOUT);
    ASSERT_EQ(::fcntl(a, F_SETFL, O_RDWR | O_NONBLOCK), 0);
    io::refresh(a);
    EXPECT_EQ(error_of(io::read(a, &c, 1, 1ms)), EAGAIN);
    ASSERT_EQ(::fcntl(a, F_SETFL, O_RDWR), 0);
    io::refresh(a);
    EXPECT_EQ(error_of(io::read(a, &c, 1, 1ms)), ETIMEDOUT);
    io::close(a.release());
    io::close(b.release());
  });
}

TEST(socket_time_outs, end_a_wait_by_eagain) {
  auto [a, b] = make_tcp_pair(0);
  const timeval ten{0, 10'000};
  ASSERT_EQ(::setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &ten, sizeof ten), 0);
  ASSERT_EQ(::setsockopt(b, SOL_SOCKET, SO_SNDTIMEO, &ten, sizeof ten), 0);
  in_fiber([&, &a = a, &b = b] {
    char c;
    const auto begun = clock::now();
    EXPECT_EQ(error_of(io::recv(a, &c, 1, 0)), EAGAIN);
    EXPECT_GE(clock::now() - begun, 10ms);
    EXPECT_LT(clock::now() - begun, 1s);
    EXPECT_EQ(error_of(io::recv(a, &c, 1, 0, 1ms)), ETIMEDOUT) << "whichever is sooner";
    const std::string much = pattern(20'000'000);
    ssize_t written = 0, last = 0; // what was written counts; the buffers grow for a while
    for (; (last = io::write(b, much.data(), much.size())) > 0; written += last)
      ASSERT_LT(last, static_cast<ssize_t>(much.size()));
    EXPECT_EQ(error_of(last), EAGAIN);
    EXPECT_GT(written, 0);
    io::close(a.release());
    io::close(b.release());
  });
}

TEST(settings, of_a_number_do_not_pass_to_the_next_file) {
  in_fiber([] {
    int number;
    {
      auto [a, b] = make_unix_pair();
      char c;
      EXPECT_EQ(error_of(io::read(a, &c, 1)), EAGAIN);
      number = a;
      io::close(a.release());
    }
    auto [a, b] = make_pipe(0);
    ASSERT_EQ(int{a}, number);
    char c;
    EXPECT_EQ(error_of(io::read(a, &c, 1, 1ms)), ETIMEDOUT);
    io::close(a.release());
  });
}

} // namespace
} // namespace weft::test
