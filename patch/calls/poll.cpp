// SPDX-License-Identifier: BSL-1.0
//
// poll and ppoll.
#include <poll.h>
#include <sys/syscall.h>

#include "patch/calls/ask_and_park.hpp"

namespace weft::patch {
namespace {

/// The edges that poll's events mean; POLLRDNORM and its like go with POLLIN.
core::io_events edges_of(int events) noexcept {
  core::io_events wanted = 0;
  if (events & (POLLIN | POLLRDNORM | POLLRDBAND)) wanted |= core::io_in;
  if (events & (POLLOUT | POLLWRNORM | POLLWRBAND)) wanted |= core::io_out;
  if (events & (POLLPRI | POLLRDBAND)) wanted |= core::io_priority;
  if (events & POLLRDHUP) wanted |= core::io_read_hangup;
  return wanted;
}

long poll_parked(green& g, pollfd* fds, unsigned count, const time_limit& limit) noexcept {
  pollfd only;
  const bool blocked = count == 1 && get_user(only, fds) && only.fd >= 0 &&
                       known_blocked(only.fd, edges_of(only.events));
  return ask_and_park(
      g, limit, blocked, [&] { return raw_syscall(SYS_poll, fds, count, 0); },
      [&] {
        return park_on_all(g, count, limit.until, [&](unsigned i, int& fd, core::io_events& w) {
          pollfd next;
          if (!get_user(next, fds + i)) next = {-1, 0, 0}; // asked again, the kernel will say
          fd = next.fd;
          w = edges_of(next.events);
        });
      });
}

long on_poll(green& g, syscall_frame& f) noexcept {
  return poll_parked(g, pointer<pollfd>(f.rdi), static_cast<unsigned>(f.rsi),
                     limit_of(g, span_of_milliseconds(number(f.rdx))));
}

long on_ppoll(green& g, syscall_frame& f) noexcept {
  auto* time = pointer<timespec>(f.rdx);
  const core::nanoseconds span = time ? span_of(time) : core::never;
  if (span < 0) return span;
  given_mask given;
  if (const long bad = given.read(pointer<std::uint64_t>(f.r10), f.r8)) return bad;
  if (left_to_kernel(g, given.get())) return pass_to_kernel;
  const time_limit limit = limit_of(g, span);
  mask_for_call mask{g, given.get()};
  const long result =
      mask.done(poll_parked(g, pointer<pollfd>(f.rdi), static_cast<unsigned>(f.rsi), limit));
  // Linux writes back what is left of a relative time-out.
  if (time && span != core::never && result != pass_to_kernel)
    (void)put_user(time, time_left(limit.until));
  return result;
}

constexpr call_entry entries[] = {
    {SYS_poll, virtual_when::active, on_poll},
    {SYS_ppoll, virtual_when::always, on_ppoll},
};

} // namespace

const call_family poll_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch
