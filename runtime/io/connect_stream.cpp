// SPDX-License-Identifier: BSL-1.0
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <vector>

#include "runtime/io/failure.hpp"
#include "runtime/io/resolve.hpp"
#include "runtime/io/socket.hpp"
#include "weft/connect.hpp"
#include "weft/sleep.hpp"

namespace weft {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr std::chrono::milliseconds longest_pause = 50ms;

int pending_error(int fd) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

/// io::connect needs a thread where the socket blocks; this one is ours alone, so it need not.
int connect_without_blocking(int fd, const socket_address& to, const deadline& until) {
  // A UNIX listener whose backlog is full gives EAGAIN, and no readiness tells when it is not. A
  // thread that waits inside connect(2) cannot be called off, and would take a place later.
  std::chrono::milliseconds pause = 1ms;
  while (::connect(fd, to.data(), to.size()) != 0) {
    if (errno == EINPROGRESS || errno == EINTR) {
      io::wait_until_ready("connect", fd, POLLOUT, until);
      return pending_error(fd);
    }
    if (errno != EAGAIN || to.family() != AF_UNIX) return errno;
    if (io::has_come(until)) return ETIMEDOUT;
    const steady::time_point end{std::chrono::nanoseconds(until.absolute())};
    sleep(std::min(end, steady::now() + pause));
    pause = std::min(2 * pause, longest_pause);
  }
  return 0;
}

stream connected(const socket_address& to, const deadline& until) {
  descriptor fd = io::new_socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK);
  if (const int error = connect_without_blocking(fd.get(), to, until))
    io::throw_failure("connect to " + to.to_string(), error);
  io::set_non_blocking(fd.get(), false);
  if (to.family() != AF_UNIX) io::switch_on(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  return stream(std::move(fd));
}

} // namespace

stream connect_to(const socket_address& address, const connect_options& options) {
  return connected(address, io::fixed(options.timeout));
}

stream connect_unix(std::string_view path, const connect_options& options) {
  return connect_to(socket_address::unix_path(path), options);
}

stream connect_tcp(std::string_view host, std::uint16_t port, const connect_options& options) {
  const deadline until = io::fixed(options.timeout);
  const std::vector<socket_address> addresses = io::resolve(host, port, until);
  for (std::size_t i = 0; i + 1 < addresses.size(); ++i) {
    try {
      return connected(addresses[i], until);
    } catch (const std::system_error&) { // the last one's counts
      if (io::has_come(until)) throw;
    }
  }
  return connected(addresses.back(), until);
}

} // namespace weft
