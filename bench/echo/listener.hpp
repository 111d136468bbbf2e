// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

/// What the servers that are written on bare system calls have in common.
namespace echo {

[[noreturn]] inline void die(const char* what, int error = errno) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(error));
  std::exit(1);
}

/// The port that a server's only argument names; 0, one that is free, if there is none.
inline std::uint16_t port_argument(int argc, char** argv) {
  return argc > 1 ? static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10)) : 0;
}

/// Tells who started the server where it listens.
inline void announce(unsigned port) {
  std::printf("listening %u\n", port);
  std::fflush(stdout);
}

/// A socket that listens on 127.0.0.1, announced. Connections inherit TCP_NODELAY.
inline int listen_on_loopback(std::uint16_t port, int flags) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const where = reinterpret_cast<sockaddr*>(&address);
  const int one = 1;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) die("socket");
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0) die("SO_REUSEADDR");
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) die("TCP_NODELAY");
  if (bind(fd, where, size) != 0) die("bind");
  if (listen(fd, 4096) != 0) die("listen");
  if (getsockname(fd, where, &size) != 0) die("getsockname");
  announce(ntohs(address.sin_port));
  return fd;
}

} // namespace echo
