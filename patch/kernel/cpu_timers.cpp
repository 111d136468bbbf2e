// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/cpu_timers.hpp"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include <time.h>

#include "patch/kernel/cpu_time.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/object_pool.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/thread.hpp"

namespace weft::patch {
namespace {

/// The kernel looks at such timers at its ticks, which are 1 to 10 ms apart.
constexpr core::nanoseconds shortest_span = 1'000'000;
constexpr core::nanoseconds second = 1'000'000'000;

constinit object_pool<cpu_timer> pool;
constinit core::list<cpu_timer> timers;

/// The kernel's one timer; its signal is known by this address.
constinit int wake_up = -1;
constinit const char mark = 0;

bool make_wake_up() noexcept {
  if (wake_up >= 0) return true;
  take_over_errands(); // SIGURG comes to us, whatever the program thinks of it
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGURG;
  event.sigev_value.sival_ptr = const_cast<char*>(&mark);
  int id;
  if (is_error(raw_syscall(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, &event, &id))) return false;
  wake_up = id;
  return true;
}

/// After `span` of the process's time; and again, in case that nobody of ours gets to see it.
void set_wake_up(core::nanoseconds span) noexcept {
  if (span < shortest_span) span = shortest_span;
  const timespec time = span == core::never ? timespec{} : timespec{span / second, span % second};
  const itimerspec next{time, time};
  raw_syscall(SYS_timer_settime, wake_up, 0, &next, nullptr);
}

int as_overrun(core::nanoseconds count) noexcept {
  return count > INT_MAX ? INT_MAX : static_cast<int>(count);
}

/// Sets t for its next time after `now`, when it is due. How often it was by then.
core::nanoseconds advance(cpu_timer& t, core::nanoseconds now) noexcept {
  if (t.interval == 0) {
    t.due = 0;
    return 1;
  }
  const core::nanoseconds times = 1 + (now - t.due) / t.interval;
  t.due += times * t.interval;
  return times;
}

void send(cpu_timer& t, core::nanoseconds times) noexcept {
  siginfo_t info{};
  info.si_signo = t.signal;
  info.si_code = SI_TIMER;
  info.si_timerid = t.id;
  info.si_overrun = as_overrun(times - 1);
  info.si_value = t.value;
  if (t.tid) {
    if (green* named = find_thread(t.tid)) send_signal(*named, info);
    return;
  }
  const std::uint64_t bit = signal_bit(t.signal);
  if (!(self()->on->kernel_mask & bit)) return find_taker(info, *self());
  // What all block, or somebody waits for, is the kernel's to keep; there is one of each timer.
  std::uint64_t pending = 0;
  raw_syscall(SYS_rt_sigpending, &pending, sizeof pending);
  if (pending & bit) {
    t.unseen = as_overrun(t.unseen + times);
  } else {
    t.unseen = 0;
    raw_syscall(SYS_rt_sigqueueinfo, the_machine().main_tid, t.signal, &info);
  }
}

} // namespace

long create_cpu_timer(green& g, const green& whose, const sigevent* event) noexcept {
  sigevent asked{};
  if (event) asked = *event;
  pid_t tid = 0;
  if (event && asked.sigev_notify == SIGEV_THREAD_ID) {
    tid = asked._sigev_un._tid;
    if (!find_thread(tid)) return -EINVAL;
    asked.sigev_notify = SIGEV_SIGNAL;
  }
  if (!prepare_worker(*g.on) || !make_wake_up()) return -EAGAIN;
  // Numbers are the kernel's to give, which looks at the rest of the arguments as well.
  int id;
  const long result = raw_syscall(SYS_timer_create, CLOCK_MONOTONIC, event ? &asked : nullptr, &id);
  if (is_error(result)) return result;
  cpu_timer* t = pool.make();
  if (!t) {
    raw_syscall(SYS_timer_delete, id);
    return -EAGAIN;
  }
  if (!event) {
    asked.sigev_notify = SIGEV_SIGNAL;
    asked.sigev_signo = SIGALRM;
    asked.sigev_value.sival_int = id;
  }
  t->clock = whose.tid;
  t->id = id;
  t->notify = asked.sigev_notify;
  t->signal = asked.sigev_signo;
  t->tid = tid;
  t->value = asked.sigev_value;
  timers.push_back(*t);
  become_active();
  apply_worker_mask(*g.on); // with SIGURG let in
  (void)cpu_time_of(g);     // from now on it is counted
  return id;
}

cpu_timer* find_cpu_timer(int id) noexcept {
  cpu_timer* found = nullptr;
  timers.for_each([&](cpu_timer& t) {
    if (t.id == id && !t.sleeper) found = &t;
  });
  return found;
}

void destroy_cpu_timer(cpu_timer& t) noexcept {
  machine& m = the_machine();
  raw_syscall(SYS_timer_delete, t.id);
  t.unlink();
  pool.destroy(&t);
  if (timers.empty()) m.may_be_single = m.count == 1;
}

timer_setting left_of(cpu_timer& t) noexcept {
  timer_setting left{0, t.interval};
  green* whose = find_thread(t.clock);
  if (t.due == 0 || !whose) return left;
  const core::nanoseconds now = cpu_time_of(*whose);
  const bool told = t.notify != SIGEV_NONE;
  if (!told && now >= t.due) advance(t, now);
  if (now < t.due)
    left.value = t.due - now;
  else if (told)
    left.value = 1; // at any moment
  return left;
}

long set_cpu_timer(cpu_timer& t, const timer_setting& next, bool absolute) noexcept {
  green* whose = find_thread(t.clock);
  if (!whose) return -ESRCH;
  t.interval = next.interval;
  t.overrun = t.unseen = 0;
  t.due = next.value;
  if (next.value != 0 && !absolute) t.due = core::deadline_after(cpu_time_of(*whose), next.value);
  attend_cpu_timers();
  return 0;
}

long sleep_on_cpu_time(green& g, pid_t clock, core::nanoseconds due) noexcept {
  if (!make_wake_up()) return -EAGAIN;
  cpu_timer t;
  t.clock = clock;
  t.due = due > 0 ? due : 1;
  t.sleeper = &g;
  timers.push_back(t);
  prepare_park(g);
  attend_cpu_timers();
  const wakeup why = park(g, core::never, park_reason::sleep, true);
  t.unlink();
  return why == wakeup::signal ? -EINTR : 0;
}

bool any_cpu_timers() noexcept {
  return !timers.empty();
}

void forget_cpu_timers() noexcept {
  wake_up = -1;
  timers.for_each([](cpu_timer& t) {
    t.unlink();
    if (!t.sleeper) pool.destroy(&t); // a sleeper's lies on its stack
  });
}

void see_to_cpu_timers_of(const green& whose, core::nanoseconds now) noexcept {
  bool due = false;
  timers.for_each(
      [&](cpu_timer& t) { due = due || (t.clock == whose.tid && t.due != 0 && now >= t.due); });
  if (due) attend_cpu_timers();
}

bool is_cpu_timers_wake_up(const siginfo_t& info) noexcept {
  return info.si_signo == SIGURG && info.si_code == SI_TIMER && info.si_value.sival_ptr == &mark;
}

void attend_cpu_timers() noexcept {
  core::nanoseconds nearest = core::never;
  timers.for_each([&](cpu_timer& t) {
    if (t.due == 0 || (!t.sleeper && t.notify == SIGEV_NONE)) return;
    green* whose = find_thread(t.clock);
    if (!whose) { // its time stands still
      t.due = 0;
      return;
    }
    const core::nanoseconds now = cpu_time_of(*whose);
    if (now >= t.due) {
      const core::nanoseconds times = advance(t, now);
      if (t.sleeper)
        unpark(*t.sleeper, wakeup::event);
      else
        send(t, times);
    }
    if (t.due != 0 && t.due - now < nearest) nearest = t.due - now;
  });
  set_wake_up(nearest);
}

} // namespace weft::patch
