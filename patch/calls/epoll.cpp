// SPDX-License-Identifier: BSL-1.0
//
// epoll_wait: the program's own epoll instance is one more descriptor to wait for.
#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "patch/calls/ask_and_park.hpp"
#include "patch/kernel/fibers.hpp"

namespace weft::patch {
namespace {

/// The wait of g's own hub, which takes all events at a time: its instance need not be asked while
/// our reactor knows of none. It ends with nothing when a fiber is to run again.
long poll_of_hub(green& g, int epoll, epoll_event* events, int capacity,
                 const time_limit& limit) noexcept {
  machine& m = the_machine();
  fiber_host& host = *g.host;
  for (;;) {
    const std::uint32_t ticket = m.reactor.ticket(epoll);
    if (m.reactor.maybe_ready(epoll, core::io_in)) {
      const long ready = raw_syscall(SYS_epoll_pwait, epoll, events, capacity, 0, nullptr, 8);
      if (ready != 0) return ready;
      m.reactor.clear(epoll, core::io_in, ticket);
    }
    if (limit.none || host.woken) return 0;
    host.sleeps = true;
    const io_wait why = wait_for_io(g, epoll, core::io_in, limit.until, park_reason::poll, true);
    host.sleeps = false;
    if (why == io_wait::timeout) return 0;
    if (why == io_wait::signal) return restart_unless_handled;
    if (why == io_wait::not_waitable) return pass_to_kernel;
  }
}

long epoll_parked(green& g, int epoll, epoll_event* events, int capacity,
                  const time_limit& limit) noexcept {
  if (polls_for_hub(g)) return poll_of_hub(g, epoll, events, capacity, limit);
  if (!(the_machine().families & WEFT_FAMILY_SELECT)) return pass_to_kernel;
  // Once it waits it does so for the open file, which the program may close.
  open_file file{epoll};
  for (;;) {
    const long ready = raw_syscall(SYS_epoll_pwait, file.fd(), events, capacity, 0, nullptr, 8);
    if (ready != 0 || limit.none) {
      share_processor(g);
      return ready;
    }
    file.hold();
    switch (wait_for_io(g, file.fd(), core::io_in, limit.until, park_reason::poll, true)) {
    case io_wait::timeout:
      return raw_syscall(SYS_epoll_pwait, file.fd(), events, capacity, 0, nullptr, 8);
    case io_wait::signal:
      return restart_unless_handled;
    case io_wait::not_waitable:
      return file.was_closed() ? -EBADF : pass_to_kernel;
    default:
      break;
    }
  }
}

long on_epoll_wait(green& g, syscall_frame& f) noexcept {
  return epoll_parked(g, number(f.rdi), pointer<epoll_event>(f.rsi), number(f.rdx),
                      limit_of(g, span_of_milliseconds(number(f.r10))));
}

long on_epoll_pwait(green& g, syscall_frame& f) noexcept {
  given_mask given;
  if (const long bad = given.read(pointer<std::uint64_t>(f.r8), f.r9)) return bad;
  if (left_to_kernel(g, given.get())) return pass_to_kernel;
  const time_limit limit = limit_of(g, span_of_milliseconds(number(f.r10)));
  mask_for_call mask{g, given.get()};
  return mask.done(
      epoll_parked(g, number(f.rdi), pointer<epoll_event>(f.rsi), number(f.rdx), limit));
}

long on_epoll_pwait2(green& g, syscall_frame& f) noexcept {
  const auto* time = pointer<timespec>(f.r10);
  const core::nanoseconds span = time ? span_of(time) : core::never;
  if (span < 0) return span;
  given_mask given;
  if (const long bad = given.read(pointer<std::uint64_t>(f.r8), f.r9)) return bad;
  if (left_to_kernel(g, given.get())) return pass_to_kernel;
  const time_limit limit = limit_of(g, span);
  mask_for_call mask{g, given.get()};
  return mask.done(
      epoll_parked(g, number(f.rdi), pointer<epoll_event>(f.rsi), number(f.rdx), limit));
}

constexpr call_entry entries[] = {
    {SYS_epoll_wait, virtual_when::active, on_epoll_wait},
    {SYS_epoll_pwait, virtual_when::always, on_epoll_pwait},
    {SYS_epoll_pwait2, virtual_when::always, on_epoll_pwait2},
};

} // namespace

const call_family epoll_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch
