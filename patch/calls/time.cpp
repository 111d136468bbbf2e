// SPDX-License-Identifier: BSL-1.0
//
// Sleeping, and giving way.
#include <sys/syscall.h>

#include "patch/calls/deadline.hpp"
#include "patch/calls/table.hpp"
#include "patch/kernel/fibers.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/user_memory.hpp"

namespace weft::patch {
namespace {

/// A fiber gives way to those of its hub; that lets other threads have their turns.
void give_turn(green& g) noexcept {
  if (g.fiber)
    yield_fiber(g);
  else
    yield(g);
}

/// Sleeps until `deadline`. An interrupted relative sleep tells what was left.
long sleep_until(green& g, core::nanoseconds deadline, timespec* remaining) noexcept {
  prepare_park(g);
  if (deadline <= core::monotonic_now()) {
    give_turn(g);
    return 0;
  }
  if (park(g, deadline, park_reason::sleep, true) != wakeup::signal) return 0;
  if (remaining && !put_user(remaining, time_left(deadline))) return -EFAULT;
  return restart_unless_handled;
}

long on_nanosleep(green& g, syscall_frame& f) noexcept {
  const core::nanoseconds span = span_of(pointer<timespec>(f.rdi));
  if (span < 0) return span;
  return sleep_until(g, call_deadline(g, span), pointer<timespec>(f.rsi));
}

long on_clock_nanosleep(green& g, syscall_frame& f) noexcept {
  const clockid_t clock = number(f.rdi);
  // Sleeping on processor time is the kernel's business, and what it does not know its error.
  if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME &&
      clock != CLOCK_TAI)
    return pass_to_kernel;
  const core::nanoseconds time = span_of(pointer<timespec>(f.rdx));
  if (time < 0) return time;
  if (f.rsi & TIMER_ABSTIME) return sleep_until(g, deadline_on(clock, time), nullptr);
  return sleep_until(g, call_deadline(g, time), pointer<timespec>(f.r10));
}

long on_sched_yield(green& g, syscall_frame&) noexcept {
  give_turn(g);
  return 0;
}

constexpr call_entry entries[] = {
    {SYS_nanosleep, virtual_when::active, on_nanosleep},
    {SYS_clock_nanosleep, virtual_when::active, on_clock_nanosleep},
    {SYS_sched_yield, virtual_when::active, on_sched_yield},
};

} // namespace

const call_family time_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch
