// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <signal.h>

#include "patch/kernel/green.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/list.hpp"

/// Timers and sleeps on a green thread's processor time (cpu_time.hpp). The kernel has such timers
/// for its own threads, over which ours move. But the process's time passes at least as fast as
/// that of any of its threads, and for it the kernel has timers too. So one of those is set for
/// what may come first; when it comes we look what has, and set it for the rest. Nothing wakes up
/// while nothing computes. As natively a timer is late by up to a tick of the kernel's: here one of
/// the time of all threads together.
namespace weft::patch {

/// What timer_settime sets: due in `value`, or not at all if that is 0, and every `interval` again.
struct timer_setting {
  core::nanoseconds value = 0;
  core::nanoseconds interval = 0;
};

struct cpu_timer : core::list_hook<> {
  pid_t clock = 0;           // the thread whose time it is
  core::nanoseconds due = 0; // on that; 0: not set
  core::nanoseconds interval = 0;

  green* sleeper = nullptr; // whom it wakes; else it is the program's, and

  int id = -1; // its number, which is that of a timer of the kernel's that is never set
  int notify = SIGEV_NONE;
  int signal = 0;
  pid_t tid = 0; // of the thread that the signal is for; 0: the process
  sigval value{};
  int overrun = 0; // of the last signal that was taken
  int unseen = 0;  // expirations since the signal that is pending in the kernel
};

/// timer_create on the processor time of `whose`, by g. Its id, or -errno. From then on the process
/// has its calls answered by weft, even with one thread.
long create_cpu_timer(green& g, const green& whose, const sigevent* event) noexcept;
[[nodiscard]] cpu_timer* find_cpu_timer(int id) noexcept;
void destroy_cpu_timer(cpu_timer& t) noexcept;

/// What is left, as timer_gettime tells it.
[[nodiscard]] timer_setting left_of(cpu_timer& t) noexcept;
/// 0, or -ESRCH if the thread is gone.
long set_cpu_timer(cpu_timer& t, const timer_setting& next, bool absolute) noexcept;

/// Parks g, the caller, until thread `clock` has used `due`. -EINTR if a signal came first.
long sleep_on_cpu_time(green& g, pid_t clock, core::nanoseconds due) noexcept;

[[nodiscard]] bool any_cpu_timers() noexcept;
/// Timers are not inherited.
void forget_cpu_timers() noexcept;

/// `whose` has used `now`, and somebody gets to know: what is due by then is so at once, though the
/// kernel's signal may still be on its way through another worker.
void see_to_cpu_timers_of(const green& whose, core::nanoseconds now) noexcept;

/// Whether the signal is the kernel's timer that was set for these.
[[nodiscard]] bool is_cpu_timers_wake_up(const siginfo_t& info) noexcept;
/// Does what is due by now.
void attend_cpu_timers() noexcept;

} // namespace weft::patch
