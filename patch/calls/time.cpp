// SPDX-License-Identifier: BSL-1.0
//
// Sleeping, and giving way.
#include <errno.h>
#include <sys/syscall.h>

#include "patch/calls/deadline.hpp"
#include "patch/calls/table.hpp"
#include "patch/kernel/cpu_time.hpp"
#include "patch/kernel/cpu_timers.hpp"
#include "patch/kernel/fibers.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/thread.hpp"
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

/// Until another thread has used that much processor time.
long sleep_on(green& g, green& whose, syscall_frame& f) noexcept {
  const core::nanoseconds time = span_of(pointer<timespec>(f.rdx));
  if (time < 0) return time;
  if (&whose == &g) return -EINVAL;
  const bool absolute = f.rsi & TIMER_ABSTIME;
  if (absolute)
    g.call_deadline = time;
  else if (!g.call_restarted)
    g.call_deadline = core::deadline_after(cpu_time_of(whose), time);
  const pid_t tid = whose.tid;
  const long result = sleep_on_cpu_time(g, tid, g.call_deadline);
  if (result != -EINTR) return result;
  green* counted = find_thread(tid);
  if (!absolute && f.r10 && counted) {
    const core::nanoseconds left = g.call_deadline - cpu_time_of(*counted);
    constexpr core::nanoseconds second = 1'000'000'000;
    const timespec told = left > 0 ? timespec{left / second, left % second} : timespec{};
    if (!put_user(pointer<timespec>(f.r10), told)) return -EFAULT;
  }
  return restart_unless_handled;
}

long on_clock_nanosleep(green& g, syscall_frame& f) noexcept {
  const clockid_t clock = number(f.rdi);
  if (clock != CLOCK_THREAD_CPUTIME_ID)
    if (green* whose = thread_of_clock(g, clock)) return sleep_on(g, *whose, f);
  // The process's time is the kernel's business, and what it does not know its error.
  if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME &&
      clock != CLOCK_TAI)
    return pass_to_kernel;
  const core::nanoseconds time = span_of(pointer<timespec>(f.rdx));
  if (time < 0) return time;
  if (f.rsi & TIMER_ABSTIME) {
    const clock_deadline until(g, clock, time);
    return sleep_until(g, until.when(), nullptr);
  }
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
