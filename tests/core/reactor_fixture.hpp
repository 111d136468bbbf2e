// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "runtime/core/reactor.hpp"

namespace weft::core {

/// A descriptor that is closed at the end, unless it was released.
class owned_fd {
 public:
  owned_fd() = default;
  explicit owned_fd(int fd) : fd_(fd) {}
  owned_fd(owned_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  owned_fd& operator=(owned_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~owned_fd() { close(); }
  operator int() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

struct fd_pair {
  owned_fd first, second;
};

inline fd_pair make_pipe() {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  return {owned_fd{ends[0]}, owned_fd{ends[1]}};
}

inline fd_pair make_unix_pair(int type = SOCK_STREAM) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  return {owned_fd{ends[0]}, owned_fd{ends[1]}};
}

/// Two connected TCP sockets over the loopback, non-blocking.
inline fd_pair make_tcp_pair() {
  owned_fd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener, generic, size), 0);
  EXPECT_EQ(::listen(listener, 1), 0);
  EXPECT_EQ(::getsockname(listener, generic, &size), 0);
  owned_fd client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  EXPECT_EQ(::connect(client, generic, size), 0);
  owned_fd server{::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
  EXPECT_GE(server, 0);
  ::fcntl(client, F_SETFL, ::fcntl(client, F_GETFL) | O_NONBLOCK);
  return {std::move(client), std::move(server)};
}

class reactor_fixture : public testing::Test {
 protected:
  static constexpr nanoseconds millisecond = 1'000'000;

  /// A waiter that notes what woke it.
  struct noted_waiter : io_waiter {
    noted_waiter(int number, io_events events) {
      fd = number;
      wanted = events;
      owner = this;
    }
    int woken = 0;
  };

  static void note(io_waiter& w) noexcept { ++static_cast<noted_waiter*>(w.owner)->woken; }

  reactor reactor_{note};

  /// Harvests what is there now; loopback delivers within the call that sends.
  int harvest() { return reactor_.poll(0); }
  /// Harvests until someone is woken, at most a second.
  int await() {
    const nanoseconds deadline = monotonic_now() + 1000 * millisecond;
    int woken = 0;
    while (woken == 0 && monotonic_now() < deadline) {
      woken = reactor_.poll(deadline);
      if (woken == -EINTR) woken = 0;
    }
    return woken;
  }

  /// One turn of the documented protocol: what a reading fiber does until it has something or
  /// must park. Bytes read (0: end), or -EAGAIN after the waiter was queued.
  ssize_t read_or_wait(int fd, void* to, std::size_t size, noted_waiter& w) {
    const std::uint32_t ticket = reactor_.ticket(fd);
    if (reactor_.maybe_ready(fd, io_in)) {
      const ssize_t n = ::read(fd, to, size);
      if (n >= 0) {
        if (static_cast<std::size_t>(n) < size) reactor_.note_partial(fd, io_in, ticket);
        return n;
      }
      if (errno != EAGAIN) return -errno;
      reactor_.clear(fd, io_in, ticket);
    }
    const int failed = reactor_.add(w);
    return failed < 0 ? failed : -EAGAIN;
  }

  /// Reads as a fiber would, parking when it must, until the end or `most` bytes; what came.
  /// Fails the test if it hangs.
  std::string read_all(int fd, std::size_t step, std::size_t most = SIZE_MAX) {
    std::string all;
    std::vector<char> buffer(step);
    while (all.size() < most) {
      noted_waiter w{fd, io_in};
      const ssize_t n = read_or_wait(fd, buffer.data(), step, w);
      if (n == 0) break;
      if (n > 0) {
        all.append(buffer.data(), static_cast<std::size_t>(n));
        continue;
      }
      if (n != -EAGAIN) {
        all += "error " + std::to_string(-n);
        break;
      }
      if (await() == 0) {
        reactor_.remove(w);
        all += "HANGS";
        break;
      }
    }
    return all;
  }
};

} // namespace weft::core
