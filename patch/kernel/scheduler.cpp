// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/scheduler.hpp"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/thread_pointer.hpp"
#include "patch/kernel/wait.hpp"
#include "patch/sites/raw_syscall.hpp"

extern "C" weft::core::transfer weft_jump_keeping_vectors(weft::core::context to, void* data,
                                                          weft::core::jump_function jump) noexcept;

namespace weft::patch {
namespace {

/// Threads that may run in a row before events are looked at: long enough to make the
/// poll (some 150 ns) cheap, short enough that a timer is not late by more than that many
/// turns.
constexpr unsigned turns_between_polls = 64;

/// The scheduler's stack, guard included. It never runs the program's code.
constexpr std::size_t idle_stack_size = 64 * 1024;

/// Into the queue of those that shall run: at its end, or at its head.
void enqueue(green& g) noexcept {
  if (g.urgent)
    g.on->ready.push_front(g);
  else
    g.on->ready.push_back(g);
}

/// The other half of a switch, done by whoever was switched to: only now is the previous
/// thread's context complete and may another worker take it.
void finish_switch(green& previous, core::context suspended) noexcept {
  previous.suspended = suspended;
  if (previous.exited) {
    finish_exit(previous);
    return;
  }
  if (previous.why == wakeup::none) {
    previous.why = wakeup::parked;
  } else if (previous.why != wakeup::parked) { // woken before it was parked
    enqueue(previous);
  }
}

/// Leaves `from` for `to`, on the same worker. Returns when something switches back,
/// perhaps on another worker. Out of line: no address of a thread-local may be kept over it.
[[gnu::noinline]] void switch_to(green& from, green& to) noexcept {
  to.on = from.on;
  ++the_machine().stats.switches;
  set_thread_pointer(to.thread_pointer);
  const core::transfer t = weft_jump_keeping_vectors(to.suspended, &from, core::jump);
  finish_switch(*static_cast<green*>(t.data), t.from);
}

/// Gives the processor to the next ready thread, or to the worker's own context.
void run_next(green& from) noexcept {
  worker& w = *from.on;
  if (w.ready.empty() || w.budget == 0) {
    switch_to(from, w.idle);
  } else {
    --w.budget;
    switch_to(from, w.ready.pop_front());
  }
}

void fire_timers(machine& m) noexcept {
  if (m.timers.empty()) return;
  core::list<core::timer, core::timer_tag> due;
  m.timers.advance(core::monotonic_now(), due);
  while (!due.empty())
    unpark(static_cast<green&>(due.pop_front()), wakeup::timeout);
}

[[noreturn]] void idle_loop(core::transfer t) noexcept {
  finish_switch(*static_cast<green*>(t.data), t.from);
  machine& m = the_machine();
  for (;;) {
    // Looked up each time round: a fork's child begins again with everything reset.
    worker& w = *self()->on;
    route_arrived_signal(w);
    fire_timers(m);
    const int polled = m.reactor.poll(w.ready.empty() ? m.timers.next_due() : 0);
    if (polled < 0 && polled != -EINTR) { // no descriptor is left to poll with
      const timespec pause{0, shortage_pause};
      if (w.ready.empty()) raw_syscall(SYS_nanosleep, &pause, nullptr);
    }
    route_arrived_signal(w);
    fire_timers(m);
    if (!w.ready.empty()) {
      w.budget = turns_between_polls;
      switch_to(w.idle, w.ready.pop_front());
    }
  }
}

[[noreturn]] void first_entry(core::transfer t) noexcept {
  finish_switch(*static_cast<green*>(t.data), t.from);
  begin_thread(*self());
}

} // namespace

void prepare_park(green& g) noexcept {
  g.why = wakeup::none;
}

wakeup park(green& g, core::nanoseconds deadline, park_reason reason, bool interruptible) noexcept {
  machine& m = the_machine();
  if (g.why == wakeup::none && interruptible && signal_is_deliverable(g)) g.why = wakeup::signal;
  if (g.why != wakeup::none) return g.why;
  ++m.stats.parks[static_cast<int>(reason)];
  g.interruptible = interruptible;
  g.reason = reason;
  if (m.keep_times) g.since = core::monotonic_now();
  if (deadline != core::never) {
    g.deadline = deadline;
    m.timers.insert(g);
  }
  run_next(g);
  if (deadline != core::never) m.timers.cancel(g);
  g.interruptible = false;
  return g.why;
}

bool unpark(green& g, wakeup why) noexcept {
  if (g.why == wakeup::parked) {
    g.why = why;
    enqueue(g);
    return true;
  }
  if (g.why != wakeup::none) return false;
  g.why = why;
  return true;
}

void yield(green& g) noexcept {
  g.why = wakeup::event; // finish_switch puts it at the back of the queue
  run_next(g);
}

void look_for_events(green& g) noexcept {
  g.on->budget = 0;
}

void launch(green& g) noexcept {
  // Its context is made here and not on the thread's first turn, since make_fcontext
  // stores the creator's floating-point control words, which a new thread inherits.
  syscall_frame* frame = g.first_frame;
  g.suspended = core::make_context(frame, idle_stack_size, first_entry);
  g.why = wakeup::event;
  g.on->ready.push_back(g);
}

void leave(green& g) noexcept {
  g.exited = true;
  run_next(g);
  __builtin_unreachable();
}

bool prepare_worker(worker& w) noexcept {
  // For the signal that comes just before a poll. Without it (no descriptor left) that one
  // waits for the next event.
  the_machine().reactor.prepare_interrupt();
  prepare_signal_stack(w);
  if (w.idle.suspended) return true;
  const long at = core::sys::map(nullptr, idle_stack_size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  void* tls = make_bare_tls(w.idle);
  if (at < 0 || !tls) return false;
  core::sys::protect(reinterpret_cast<void*>(at), 4096, PROT_NONE);
  w.idle.thread_pointer = tls;
  w.idle.in_kernel = true;
  w.idle.on = &w;
  w.idle.why = wakeup::parked;
  void* top = reinterpret_cast<char*>(at) + idle_stack_size;
  w.idle.suspended = core::make_context(top, idle_stack_size - 4096, idle_loop);
  return true;
}

void reset_scheduler_after_fork(green& g) noexcept {
  machine& m = the_machine();
  m.timers.reset(core::monotonic_now());
  m.reactor.reset_after_fork();
  g.on->ready.reset();
}

} // namespace weft::patch
