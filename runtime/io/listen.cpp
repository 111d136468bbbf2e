// SPDX-License-Identifier: BSL-1.0
#include "weft/listen.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include "runtime/io/failure.hpp"
#include "runtime/io/resolve.hpp"
#include "runtime/io/socket.hpp"

namespace weft {
namespace {

/// Whether there is a socket on which nobody listens any more.
bool is_left_over(const socket_address& address) {
  struct stat status;
  if (::lstat(address.path().c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const descriptor probe = io::new_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK);
  return ::connect(probe.get(), address.data(), address.size()) != 0 && errno == ECONNREFUSED;
}

bool bind_to(int fd, const socket_address& address) noexcept {
  return ::bind(fd, address.data(), address.size()) == 0;
}

void bind_listener(int fd, const socket_address& address) {
  if (bind_to(fd, address)) return;
  int error = errno;
  if (error == EADDRINUSE && address.family() == AF_UNIX && is_left_over(address)) {
    ::unlink(address.path().c_str());
    if (bind_to(fd, address)) return;
    error = errno;
  }
  io::throw_failure("bind to " + address.to_string(), error);
}

} // namespace

descriptor listen_on(const socket_address& address, const listen_options& options) {
  descriptor fd = io::new_socket(address.family(), SOCK_STREAM);
  if (address.family() != AF_UNIX) {
    io::switch_on(fd.get(), SOL_SOCKET, SO_REUSEADDR);
    // Inherited by what is accepted.
    io::switch_on(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  }
  if (options.reuse_port) io::switch_on(fd.get(), SOL_SOCKET, SO_REUSEPORT);
  bind_listener(fd.get(), address);
  if (::listen(fd.get(), options.backlog) != 0)
    io::throw_failure("listen on " + address.to_string(), errno);
  return fd;
}

descriptor listen_tcp(std::string_view host, std::uint16_t port, const listen_options& options) {
  const std::vector<socket_address> addresses = io::resolve(host, port, {});
  for (std::size_t i = 0; i + 1 < addresses.size(); ++i) {
    try {
      return listen_on(addresses[i], options);
    } catch (const std::system_error&) { // the last one's counts
    }
  }
  return listen_on(addresses.back(), options);
}

descriptor listen_unix(std::string_view path, const listen_options& options) {
  return listen_on(socket_address::unix_path(path), options);
}

} // namespace weft
