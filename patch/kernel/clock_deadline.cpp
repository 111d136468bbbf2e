// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/clock_deadline.hpp"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/own_descriptors.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {

core::nanoseconds deadline_on(clockid_t clock, core::nanoseconds point) noexcept {
  if (point == core::never || clock == CLOCK_MONOTONIC) return point;
  timespec now;
  clock_gettime(clock, &now);
  constexpr core::nanoseconds second = 1'000'000'000;
  return core::deadline_after(core::monotonic_now(), point - (now.tv_sec * second + now.tv_nsec));
}

clock_deadline::clock_deadline(green& g, clockid_t clock, core::nanoseconds point) noexcept
    : when_(point), thread_(&g), clock_(clock), point_(point) {
  if (point == core::never || clock == CLOCK_MONOTONIC) return;
  // In this order: a clock that is set in between is heard of.
  the_machine().clocks.add(*this);
  when_ = deadline_on(clock, point);
}

/// Its thread may be parked until an earlier moment, at which it means to look again itself.
void clock_deadline::move() noexcept {
  const core::nanoseconds before = when_;
  when_ = deadline_on(clock_, point_);
  core::timer& t = *thread_;
  if (!t.in_wheel || t.deadline != before) return;
  the_machine().timers.cancel(t);
  t.deadline = when_;
  the_machine().timers.insert(t);
}

void settable_clocks::add(clock_deadline& d) noexcept {
  if (timer_ < 0 && !refused_) [[unlikely]]
    open();
  waiting_.push_back(d);
}

void settable_clocks::open() noexcept {
  const long made = raw_syscall(SYS_timerfd_create, CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (is_error(made)) return;
  const int timer = move_out_of_sight(made);
  // The last moment that there is: only its being cancelled counts. That is never read, hence it
  // stays readable; but the kernel wakes who watches it each time, and edges are what is watched.
  const itimerspec last{{}, {core::never / 1'000'000'000, 0}};
  constexpr int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  told_.fd = timer;
  const long armed = raw_syscall(SYS_timerfd_settime, timer, flags, &last, nullptr);
  // (Set just now, the clock has cancelled it already. It goes on being told.)
  if ((is_error(armed) && armed != -ECANCELED) || the_machine().reactor.watch(told_) < 0)
    close_own(timer);
  else
    timer_ = timer;
}

bool settable_clocks::look_is_due() noexcept {
  if (waiting_.empty()) return false;
  constexpr core::nanoseconds between_looks = 1'000'000;
  const core::nanoseconds now = core::monotonic_now();
  if (now < next_look_) return false;
  next_look_ = now + between_looks;
  return true;
}

void settable_clocks::were_set() noexcept {
  waiting_.for_each([](clock_deadline& d) { d.move(); });
}

void settable_clocks::reset_after_fork() noexcept {
  waiting_.reset();
  if (timer_ >= 0) close_own(timer_);
  timer_ = -1;
}

} // namespace weft::patch
