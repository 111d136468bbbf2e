// SPDX-License-Identifier: BSL-1.0
#include "weft/datagram.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

#include "runtime/io/failure.hpp"
#include "runtime/io/resolve.hpp"
#include "runtime/io/socket.hpp"
#include "weft/io.hpp"

namespace weft {
namespace {

/// Repeats `call` until it does not fail for having been interrupted or O_NONBLOCK.
template <class Call>
std::size_t transfer(const char* name, int fd, short events, const deadline& until, Call call) {
  while (true) {
    const ssize_t n = call();
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EINTR) continue;
    const int error = errno;
    if (error != EAGAIN || !io::is_non_blocking(fd)) io::throw_failure(name, fd, error);
    io::wait_until_ready(name, fd, events, until);
  }
}

void send_one(int fd, const sockaddr* to, socklen_t to_size, std::span<const std::byte> data,
              const deadline& span) {
  const deadline until = io::fixed(span);
  transfer("send", fd, POLLOUT, until, [&] {
    return io::sendto(fd, data.data(), data.size(), MSG_NOSIGNAL, to, to_size, until);
  });
}

/// What `make` makes of the first address for which it does not throw.
template <class Make>
datagram_socket with_first(const std::vector<socket_address>& addresses, Make make) {
  for (std::size_t i = 0; i + 1 < addresses.size(); ++i) {
    try {
      return make(addresses[i]);
    } catch (const std::system_error&) { // the last one's counts
    }
  }
  return make(addresses.back());
}

} // namespace

datagram datagram_socket::receive(std::span<std::byte> to, deadline until) {
  until = io::fixed(until);
  sockaddr_storage from{};
  socklen_t from_size = 0;
  const std::size_t size = transfer("receive", fd(), POLLIN, until, [&] {
    from_size = sizeof from;
    // MSG_TRUNC gives the real length.
    return io::recvfrom(fd(), to.data(), to.size(), MSG_TRUNC, reinterpret_cast<sockaddr*>(&from),
                        &from_size, until);
  });
  return {std::min(size, to.size()),
          socket_address(reinterpret_cast<const sockaddr*>(&from), from_size), size > to.size()};
}

void datagram_socket::send(std::span<const std::byte> data, deadline until) {
  send_one(fd(), nullptr, 0, data, until);
}

void datagram_socket::send_to(const socket_address& to, std::span<const std::byte> data,
                              deadline until) {
  send_one(fd(), to.data(), to.size(), data, until);
}

void datagram_socket::connect(const socket_address& to) {
  if (::connect(fd(), to.data(), to.size()) != 0)
    io::throw_failure("connect to " + to.to_string(), errno);
}

datagram_socket bind_datagram(const socket_address& address) {
  datagram_socket made(io::new_socket(address.family(), SOCK_DGRAM));
  if (::bind(made.fd(), address.data(), address.size()) != 0)
    io::throw_failure("bind to " + address.to_string(), errno);
  return made;
}

datagram_socket connect_datagram(const socket_address& to) {
  datagram_socket made(io::new_socket(to.family(), SOCK_DGRAM));
  made.connect(to);
  return made;
}

datagram_socket bind_udp(std::string_view host, std::uint16_t port) {
  return with_first(io::resolve(host, port, {}), bind_datagram);
}

datagram_socket connect_udp(std::string_view host, std::uint16_t port,
                            const connect_options& options) {
  return with_first(io::resolve(host, port, options.timeout), connect_datagram);
}

} // namespace weft
