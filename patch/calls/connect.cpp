// SPDX-License-Identifier: BSL-1.0
//
// A connect that waits cannot be told not to: the flag for it, O_NONBLOCK, belongs to the
// open file and hence to others too. io_uring does it without the flag.
#include "patch/calls/connect.hpp"

#include <errno.h>
#include <sys/syscall.h>

#include "patch/calls/blocking.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

/// A connection that is under way already: its outcome when it is decided.
long await_outcome(green& g, int fd, core::nanoseconds deadline) noexcept {
  for (;;) {
    if (ready_now(fd, core::io_out)) {
      int error = 0;
      unsigned length = sizeof error;
      const long asked = raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &length);
      return asked < 0 ? asked : -error;
    }
    const std::uint32_t ticket = the_machine().reactor.ticket(fd);
    if (ready_now(fd, core::io_out)) continue;
    the_machine().reactor.clear(fd, core::io_out, ticket);
    switch (wait_for_io(g, fd, core::io_out, deadline, park_reason::io)) {
    case io_wait::timeout:
      return -EINPROGRESS;
    case io_wait::signal:
      return deadline == core::never ? restart_if_allowed : -EINTR;
    case io_wait::closed:
      return -EBADF;
    default:
      break;
    }
  }
}

} // namespace

long connect_parked(green& g, int fd, const sockaddr* address, unsigned length) noexcept {
  auto& r = the_machine().ring;
  if (kind_of(fd) != fd_kind::socket || !r.open()) return pass_to_kernel;
  const core::nanoseconds deadline = call_deadline(g, send_timeout(fd));
  io_uring_sqe entry{};
  entry.opcode = IORING_OP_CONNECT;
  entry.fd = fd;
  entry.addr = reinterpret_cast<std::uint64_t>(address);
  entry.off = length;
  const long result = r.perform(g, entry, deadline);
  switch (result) {
  case -ETIME:
    return -EINPROGRESS;
  case -EINTR:
    return deadline == core::never ? restart_if_allowed : -EINTR;
  case -EALREADY:
  case -EINPROGRESS:
    return await_outcome(g, fd, deadline);
  case -ENOSYS:
    return pass_to_kernel;
  default:
    return result;
  }
}

} // namespace weft::patch
