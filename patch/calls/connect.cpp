// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/connect.hpp"

#include <errno.h>
#include <sys/syscall.h>

#include "patch/calls/blocking.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

int socket_option(int fd, int option) noexcept {
  int value = -1;
  unsigned length = sizeof value;
  return raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

/// Ways in which a connection fails that had begun.
bool came_to_nothing(long result) noexcept {
  switch (result) {
  case -ECONNREFUSED:
  case -ECONNRESET:
  case -ECONNABORTED:
  case -ETIMEDOUT:
  case -EHOSTUNREACH:
  case -ENETUNREACH:
  case -EHOSTDOWN:
  case -ENETDOWN:
  case -EPROTO:
    return true;
  default:
    return false;
  }
}

long try_connect(int fd, const sockaddr* address, unsigned length) noexcept {
  io_uring_sqe entry{};
  entry.opcode = IORING_OP_CONNECT;
  entry.fd = fd;
  entry.addr = reinterpret_cast<std::uint64_t>(address);
  entry.off = length;
  const long result = the_machine().ring.attempt(entry);
  // A connect of the kernel's own that fails makes the socket as new. io_uring, which takes
  // the error itself, leaves it in the middle of connecting.
  if (came_to_nothing(result) && socket_option(fd, SO_TYPE) == SOCK_STREAM) {
    const sockaddr none{AF_UNSPEC, {}};
    raw_syscall(SYS_connect, fd, &none, sizeof none);
  }
  return result == -EINPROGRESS || result == -EALREADY ? -EAGAIN : result;
}

/// The kernel's own connect. It is seldom that it waits for long, and then it does so in many
/// threads: the first one's processor is taken away, the others give theirs.
long connect_natively() noexcept {
  return the_machine().native_connects > 0 ? wait_in_kernel : pass_to_kernel;
}

} // namespace

long connect_parked(green& g, int fd, const sockaddr* address, unsigned length) noexcept {
  ring& r = the_machine().ring;
  // Of AF_UNIX's full backlogs poll tells nothing.
  if (kind_of(fd) != fd_kind::socket || socket_option(fd, SO_DOMAIN) == AF_UNIX || !r.open())
    return connect_natively();
  file_call call{g, fd, core::io_out, send_timeout};
  for (;;) {
    const std::uint32_t ticket = the_machine().reactor.ticket(call.fd());
    const long result = try_connect(call.fd(), address, length);
    if (result == -ENOSYS) return connect_natively();
    if (result != -EAGAIN) return result;
    do {
      the_machine().reactor.clear(call.fd(), core::io_out, ticket);
      if (const long ended = call.wait()) return ended == -EAGAIN ? -EINPROGRESS : ended;
    } while (!ready_now(call.fd(), core::io_out));
  }
}

long accept_parked(green& g, int fd, sockaddr* address, unsigned* length, int flags) noexcept {
  ring& r = the_machine().ring;
  file_call call{g, fd, core::io_in, receive_timeout};
  return until_done(call, 0, [&](int now) -> long {
    if (call.is_nonblocking()) return raw_syscall(SYS_accept4, now, address, length, flags);
    if (r.open()) {
      io_uring_sqe entry{};
      entry.opcode = IORING_OP_ACCEPT;
      entry.fd = now;
      entry.addr = reinterpret_cast<std::uint64_t>(address);
      entry.addr2 = reinterpret_cast<std::uint64_t>(length);
      entry.accept_flags = static_cast<unsigned>(flags);
      const long made = r.attempt(entry);
      if (made != -ENOSYS) return made;
    }
    // Of everything but a listening socket accept knows at once that it is wrong.
    if (!ready_now(now, core::io_in) && socket_option(now, SO_ACCEPTCONN) == 1) return -EAGAIN;
    return call.natively(SYS_accept4, address, length, flags);
  });
}

} // namespace weft::patch
