// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

/// Descriptors for tests to work on.
namespace weft::test {

/// How descriptors are closed.
inline int (*close_descriptor)(int) = ::close;

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
  /// Gives it away.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void close() {
    if (fd_ >= 0) close_descriptor(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

struct fd_pair {
  owned_fd first, second;
};

inline fd_pair make_pipe(int flags = O_NONBLOCK) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, flags | O_CLOEXEC), 0);
  return {owned_fd{ends[0]}, owned_fd{ends[1]}};
}

inline fd_pair make_unix_pair(int type = SOCK_STREAM | SOCK_NONBLOCK) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
  return {owned_fd{ends[0]}, owned_fd{ends[1]}};
}

/// A TCP listener on a port of the loopback's, and its address.
struct tcp_listener {
  owned_fd fd;
  sockaddr_in address{};

  explicit tcp_listener(int backlog = 64, int flags = 0)
      : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd, generic(), size), 0);
    EXPECT_EQ(::listen(fd, backlog), 0);
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  }
  [[nodiscard]] const sockaddr* generic() const {
    return reinterpret_cast<const sockaddr*>(&address);
  }
};

/// Two connected TCP sockets over the loopback.
inline fd_pair make_tcp_pair(int flags = SOCK_NONBLOCK) {
  const tcp_listener listener;
  owned_fd client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  EXPECT_EQ(::connect(client, listener.generic(), sizeof listener.address), 0);
  owned_fd server{::accept4(listener.fd, nullptr, nullptr, flags | SOCK_CLOEXEC)};
  EXPECT_GE(server, 0);
  if (flags & SOCK_NONBLOCK) ::fcntl(client, F_SETFL, ::fcntl(client, F_GETFL) | O_NONBLOCK);
  return {std::move(client), std::move(server)};
}

} // namespace weft::test
