// SPDX-License-Identifier: BSL-1.0
//
// Timers: those whose signal is for one thread, and those of a thread's processor time. The kernel
// keeps the others.
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include "patch/calls/deadline.hpp"
#include "patch/calls/table.hpp"
#include "patch/kernel/cpu_time.hpp"
#include "patch/kernel/cpu_timers.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

/// The kernel sends the signal of a timer for one thread to the process, and we find the thread
/// when it comes.
long make_thread_timer(green& g, clockid_t clock, sigevent event, int& id) noexcept {
  const pid_t tid = event._sigev_un._tid;
  event.sigev_notify = SIGEV_SIGNAL;
  const long result = raw_syscall(SYS_timer_create, clock, &event, &id);
  if (is_error(result)) return result;
  const long kept = keep_timer(g, id, event.sigev_signo, tid);
  if (is_error(kept)) raw_syscall(SYS_timer_delete, id);
  return kept;
}

long delete_timer(green& g, int id) noexcept {
  if (cpu_timer* t = find_cpu_timer(id)) {
    drop_timers_signals(id, t->tid);
    destroy_cpu_timer(*t);
    return 0;
  }
  const long result = raw_syscall(SYS_timer_delete, id);
  if (result == 0) forget_timer(g, id);
  return result;
}

long on_timer_create(green& g, syscall_frame& f) noexcept {
  const clockid_t clock = number(f.rdi);
  const green* whose = thread_of_clock(g, clock);
  sigevent event;
  if (f.rsi && !get_user(event, pointer<sigevent>(f.rsi))) return -EFAULT;
  const bool for_thread =
      f.rsi && event.sigev_notify == SIGEV_THREAD_ID && find_thread(event._sigev_un._tid);
  if (!whose && !for_thread) return pass_to_kernel;
  int id = -1;
  long result = 0;
  if (whose) {
    result = create_cpu_timer(g, *whose, f.rsi ? &event : nullptr);
    id = static_cast<int>(result);
  } else {
    result = make_thread_timer(g, clock, event, id);
  }
  if (is_error(result)) return result;
  if (put_user(pointer<int>(f.rdx), id)) return 0;
  delete_timer(g, id);
  return -EFAULT;
}

timespec as_timespec(core::nanoseconds span) noexcept {
  constexpr core::nanoseconds second = 1'000'000'000;
  return {span / second, span % second};
}

bool put_setting(std::uint64_t to, const timer_setting& s) noexcept {
  return put_user(pointer<itimerspec>(to),
                  itimerspec{as_timespec(s.interval), as_timespec(s.value)});
}

long on_timer_settime(green& g, syscall_frame& f) noexcept {
  const int id = number(f.rdi);
  cpu_timer* t = find_cpu_timer(id);
  if (!t) {
    // What arrives from here on may be of the new time already.
    route_arrived_signal(*g.on);
    const long result = raw_syscall(SYS_timer_settime, f.rdi, f.rsi, f.rdx, f.r10);
    const thread_timer* for_thread = find_timer(id);
    if (!is_error(result)) drop_timers_signals(id, for_thread ? for_thread->tid : 0);
    return result;
  }
  itimerspec asked;
  if (!f.rdx) return -EINVAL;
  if (!get_user(asked, pointer<itimerspec>(f.rdx))) return -EFAULT;
  const timer_setting next{span_of(asked.it_value), span_of(asked.it_interval)};
  if (next.value < 0 || next.interval < 0) return -EINVAL;
  const timer_setting before = left_of(*t);
  drop_timers_signals(id, t->tid);
  const long result = set_cpu_timer(*t, next, f.rsi & TIMER_ABSTIME);
  if (is_error(result)) return result;
  return !f.r10 || put_setting(f.r10, before) ? 0 : -EFAULT;
}

long on_timer_gettime(green&, syscall_frame& f) noexcept {
  cpu_timer* t = find_cpu_timer(number(f.rdi));
  if (!t) return raw_syscall(SYS_timer_gettime, f.rdi, f.rsi);
  return put_setting(f.rsi, left_of(*t)) ? 0 : -EFAULT;
}

long on_timer_getoverrun(green&, syscall_frame& f) noexcept {
  const int id = number(f.rdi);
  if (const cpu_timer* t = find_cpu_timer(id)) return t->overrun;
  if (const thread_timer* t = find_timer(id)) return t->overrun;
  return raw_syscall(SYS_timer_getoverrun, id);
}

long on_timer_delete(green& g, syscall_frame& f) noexcept {
  return delete_timer(g, number(f.rdi));
}

constexpr call_entry entries[] = {
    {SYS_timer_create, virtual_when::always, on_timer_create},
    {SYS_timer_settime, virtual_when::active, on_timer_settime},
    {SYS_timer_gettime, virtual_when::active, on_timer_gettime},
    {SYS_timer_getoverrun, virtual_when::active, on_timer_getoverrun},
    {SYS_timer_delete, virtual_when::always, on_timer_delete},
};

} // namespace

const call_family timer_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch
