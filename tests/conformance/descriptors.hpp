// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "tests/conformance/check.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace conformance {

// Descriptors that checks need again and again, closed at the end of their scope. close_x() closes
// one early, once.

inline void close_once(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

struct pipe_pair {
  explicit pipe_pair(int flags = O_CLOEXEC) {
    int ends[2] = {-1, -1};
    expect_equal(pipe2(ends, flags), 0, "pipe2");
    reader = ends[0];
    writer = ends[1];
  }
  pipe_pair(const pipe_pair&) = delete;
  pipe_pair& operator=(const pipe_pair&) = delete;
  ~pipe_pair() {
    close_once(reader);
    close_once(writer);
  }
  int reader = -1;
  int writer = -1;
};

struct socket_pair {
  explicit socket_pair(int type = SOCK_STREAM | SOCK_CLOEXEC) {
    int ends[2] = {-1, -1};
    expect_equal(socketpair(AF_UNIX, type, 0, ends), 0, "socketpair");
    left = ends[0];
    right = ends[1];
  }
  socket_pair(const socket_pair&) = delete;
  socket_pair& operator=(const socket_pair&) = delete;
  ~socket_pair() {
    close_once(left);
    close_once(right);
  }
  int left = -1;
  int right = -1;
};

inline sockaddr_in loopback(std::uint16_t port = 0) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

inline sockaddr_in name_of(int fd) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  expect_equal(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0, "getsockname");
  return address;
}

// A TCP listener on a free port of 127.0.0.1.
struct listener {
  explicit listener(int backlog = 128, int flags = SOCK_CLOEXEC) {
    fd = socket(AF_INET, SOCK_STREAM | flags, 0);
    sockaddr_in wish = loopback();
    expect_equal(bind(fd, reinterpret_cast<sockaddr*>(&wish), sizeof wish), 0, "bind");
    expect_equal(listen(fd, backlog), 0, "listen");
    address = name_of(fd);
  }
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;
  ~listener() { close_once(fd); }

  // A blocking connection to it, whose owner is the caller.
  [[nodiscard]] int connect_to() const {
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    expect_equal(connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0,
                 "connect");
    return client;
  }

  int fd = -1;
  sockaddr_in address{};
};

// The two ends of a TCP connection.
struct tcp_pair {
  tcp_pair() {
    const listener server;
    left = server.connect_to();
    right = accept4(server.fd, nullptr, nullptr, SOCK_CLOEXEC);
    expect(right >= 0, "accept");
  }
  tcp_pair(const tcp_pair&) = delete;
  tcp_pair& operator=(const tcp_pair&) = delete;
  ~tcp_pair() {
    close_once(left);
    close_once(right);
  }
  int left = -1;
  int right = -1;
};

} // namespace conformance
