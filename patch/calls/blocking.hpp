// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <errno.h>

#include "patch/calls/deadline.hpp"
#include "patch/calls/descriptors.hpp"
#include "patch/kernel/errors.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/wait.hpp"

/// The shape that all calls on descriptors have: try without blocking, else park.
namespace weft::patch {

/// Calls `attempt(fd)` until its result is not -EAGAIN, parking in between until `fd` may be
/// ready in `direction`. A descriptor with O_NONBLOCK gets its -EAGAIN; `span` (SO_RCVTIMEO
/// or SO_SNDTIMEO, looked up only when it is to wait) ends the wait with -EAGAIN too.
/// `fd` may have become another number of the same open file, if the program closed it.
/// `wanted` bytes: fewer may mean that the next try would block. 0 if there is no such count.
template <class Attempt>
long until_done(green& g, int fd, core::io_events direction, std::size_t wanted,
                core::nanoseconds (*span)(int) noexcept, Attempt&& attempt) noexcept {
  machine& m = the_machine();
  if (g.kept) fd = g.kept->descriptor;
  for (;;) {
    const std::uint32_t ticket = m.reactor.ticket(fd);
    if (m.reactor.maybe_ready(fd, direction)) {
      const long result = attempt(fd);
      if (result > 0 && static_cast<std::size_t>(result) < wanted)
        m.reactor.note_partial(fd, direction, ticket);
      if (result != -EAGAIN || is_nonblocking(fd)) return result;
    } else if (is_nonblocking(fd)) {
      return attempt(fd);
    }
    m.reactor.clear(fd, direction, ticket);
    const core::nanoseconds limit = span ? span(fd) : core::never;
    switch (wait_for_io(g, fd, direction, call_deadline(g, limit), park_reason::io)) {
    case io_wait::ready:
      break;
    case io_wait::timeout:
      return -EAGAIN;
    case io_wait::closed:
      if (!g.kept) return -EBADF;
      fd = g.kept->descriptor;
      break;
    case io_wait::not_waitable:
      return pass_to_kernel;
    case io_wait::signal:
      return limit == core::never ? restart_if_allowed : -EINTR;
    }
    // The deadline of the first wait holds for the whole call.
    g.call_restarted = true;
  }
}

/// Whether `fd` would not block in `direction` now, by poll.
[[nodiscard]] bool ready_now(int fd, core::io_events direction) noexcept;

} // namespace weft::patch
