// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/scheduler.hpp"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "patch/kernel/cpu_time.hpp"
#include "patch/kernel/fibers.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/spin_lock.hpp"
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

/// Into the queue of those that shall run: at its end, or at its head.
void enqueue(green& g) noexcept {
  machine& m = the_machine();
  if (g.urgent)
    m.processor.ready.push_front(g);
  else
    m.processor.ready.push_back(g);
  m.monitor.look();
}

/// Leaves g, which came back without a processor, where who holds it finds it.
void publish(green& g) noexcept {
  machine& m = the_machine();
  g.next_returned = m.processor.returned.load(std::memory_order_relaxed);
  while (!m.processor.returned.compare_exchange_weak(g.next_returned, &g))
    ;
  if (m.processor.polling) m.reactor.interrupt();
  m.monitor.look(); // whoever has the processor may compute for long
}

/// Takes back what came from the kernel, in the order in which it came.
void take_returned(processor& p) noexcept {
  if (!p.returned.load(std::memory_order_relaxed)) return;
  green* g = p.returned.exchange(nullptr, std::memory_order_acquire);
  green* in_order = nullptr;
  while (g) {
    green* next = g->next_returned;
    g->next_returned = in_order;
    in_order = g;
    g = next;
  }
  while (in_order) {
    green* next = in_order->next_returned;
    p.ready.push_back(*in_order);
    in_order = next;
  }
}

/// The other half of a switch, done by whoever was switched to: only now is the previous
/// thread's context complete and may another worker take it.
void finish_switch(green& previous, core::context suspended) noexcept {
  previous.suspended = suspended;
  if (self()->on->state.load(std::memory_order_relaxed) == worker_state::without) {
    publish(previous);
    return;
  }
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
  if (the_machine().counts_cpu_time) [[unlikely]]
    charge(from);
  to.on = from.on;
  from.on->current = &to;
  set_thread_pointer(to.thread_pointer);
  const core::transfer t = weft_jump_keeping_vectors(to.suspended, &from, core::jump);
  finish_switch(*static_cast<green*>(t.data), t.from);
}

void count_turn(processor& p) noexcept {
  ++the_machine().stats.switches;
  p.turns.store(p.turns.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

/// Whether a look at events could make a thread ready. If not, it is left out, which is a system
/// call saved; a signal needs none to be noticed.
bool events_may_come(const machine& m) noexcept {
  return awaits_events(m) || !m.timers.empty() ||
         m.processor.returned.load(std::memory_order_relaxed);
}

/// Gives the processor to the next ready thread, or to the worker's own context.
void run_next(green& from) noexcept {
  machine& m = the_machine();
  processor& p = m.processor;
  if (p.budget == 0 && from.on == p.home && !events_may_come(m)) p.budget = turns_between_polls;
  if (p.ready.empty() || p.budget == 0 || p.ready.front().bound) {
    switch_to(from, from.on->idle);
  } else {
    --p.budget;
    count_turn(p);
    switch_to(from, p.ready.pop_front());
  }
}

void fire_timers(machine& m) noexcept {
  if (m.timers.empty()) return;
  core::list<core::timer, core::timer_tag> due;
  m.timers.advance(core::monotonic_now(), due);
  while (!due.empty())
    unpark(static_cast<green&>(due.pop_front()), wakeup::timeout);
}

/// Who is to run next, if it is not w: a thread of its own kernel thread, or the initial one,
/// which was only stood in for. Null: w itself. (Null too if there is no other worker.)
worker* proper_worker(processor& p, worker& w) noexcept {
  if (!p.ready.empty() && p.ready.front().bound) {
    worker& own = *p.ready.front().bound;
    return &own == &w ? nullptr : &own;
  }
  if (&w == p.home) return nullptr;
  if (take_spare(*p.home)) return p.home;
  if (!w.bound) return nullptr;
  // One's own kernel thread runs nobody else, and no other is made from it. But the one that gave
  // the processor here is about to sleep, if it does not yet.
  for (;;) {
    if (worker* spare = take_any_spare()) return spare;
    let_holder_run();
  }
}

/// Waits for events, or looks if some are there, and begins another row of turns.
void poll(machine& m, worker& w) noexcept {
  processor& p = m.processor;
  p.budget = turns_between_polls;
  core::nanoseconds until = 0;
  if (p.ready.empty()) {
    until = m.timers.next_due();
    // Whoever comes back from now on interrupts the wait.
    p.polling = true;
    if (p.returned) until = 0;
  } else if (!awaits_events(m)) {
    return; // a timer is due, perhaps, and that needs no system call
  }
  const int polled = m.reactor.poll(until);
  p.polling.store(false, std::memory_order_relaxed);
  m.futex_ring.harvest();
  if (polled < 0 && polled != -EINTR && p.ready.empty()) { // no descriptor is left to poll with
    const timespec pause{0, shortage_pause};
    raw_syscall(SYS_nanosleep, &pause, nullptr);
  }
  route_arrived_signal(w);
}

/// Gives the processor to `other`; w, the caller, has none then.
void pass_processor(processor& p, worker& w, worker& other) noexcept {
  set_kernel_mask(every_signal);
  w.kernel_blocks_all = true; // until it has the processor again
  route_arrived_signal(w);
  w.state.store(worker_state::without, std::memory_order_relaxed);
  give_processor(p, other);
}

[[noreturn]] void idle_loop(core::transfer t) noexcept {
  finish_switch(*static_cast<green*>(t.data), t.from);
  work(*self()->on);
}

/// A hub jumped here, and wants to know where it was.
[[noreturn]] void first_entry_of_fiber(core::transfer t) noexcept {
  *static_cast<core::context*>(t.data) = t.from;
  begin_thread(*self());
}

[[noreturn]] void first_entry(core::transfer t) noexcept {
  finish_switch(*static_cast<green*>(t.data), t.from);
  begin_thread(*self());
}

} // namespace

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
  if (g.fiber)
    park_fiber(g, interruptible && reason != park_reason::futex);
  else
    run_next(g);
  if (deadline != core::never) m.timers.cancel(g);
  g.interruptible = false;
  return g.why;
}

bool unpark(green& g, wakeup why) noexcept {
  if (g.why == wakeup::parked) {
    g.why = why;
    if (g.fiber)
      wake_fiber(g);
    else
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
  the_machine().processor.budget = 0;
  (void)g;
}

void prepare_fiber(green& g) noexcept {
  g.suspended = core::make_context(g.first_frame, idle_stack_size, first_entry_of_fiber);
}

void launch(green& g) noexcept {
  // Its context is made here and not on the thread's first turn, since make_fcontext
  // stores the creator's floating-point control words, which a new thread inherits.
  syscall_frame* frame = g.first_frame;
  g.suspended = core::make_context(frame, idle_stack_size, first_entry);
  g.why = wakeup::event;
  enqueue(g);
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
  if (!furnish(w)) return false;
  w.idle.suspended = core::make_context(w.stack_top, idle_stack_size - 4096, idle_loop);
  return true;
}

void work(worker& w) noexcept {
  machine& m = the_machine();
  processor& p = m.processor;
  for (;;) {
    if (w.state.load(std::memory_order_relaxed) == worker_state::without) wait_for_processor(w);
    route_arrived_signal(w);
    take_returned(p);
    fire_timers(m);
    // A thread that ends is seen off here, though others are ready and have turns left.
    if (p.ready.empty() || (p.budget == 0 && events_may_come(m))) {
      poll(m, w);
      take_returned(p);
      fire_timers(m);
    }
    if (worker* other = proper_worker(p, w)) {
      pass_processor(p, w, *other);
      continue;
    }
    if (p.ready.empty()) continue;
    // One that stands in for another, or is one thread's own, gives way after each turn.
    if (&w != p.home) p.budget = 0;
    m.monitor.look();
    count_turn(p);
    switch_to(w.idle, p.ready.pop_front());
  }
}

void wait_for_turn(green& g) noexcept {
  worker& w = *g.on;
  set_kernel_mask(every_signal);
  // What came in between goes along, since this worker may not look at it any more.
  const bool carries = w.signal_arrived;
  const siginfo_t carried = w.arrived;
  w.signal_arrived = false;
  g.why = wakeup::event;
  switch_to(g, w.idle);
  if (carries) find_taker(carried, g);
}

void reset_scheduler_after_fork(green& g) noexcept {
  machine& m = the_machine();
  m.timers.reset(core::monotonic_now());
  m.reactor.reset_after_fork();
  worker& w = *g.on;
  m.counts_cpu_time = false; // the kernel begins anew as well
  g.cpu_time = w.cpu_time_counted = 0;
  forget_workers_but(w);
  m.processor.ready.reset();
  m.initial = &w;
  m.processor.home = &w;
  m.processor.holder = &w;
  m.processor.returned = nullptr;
  m.processor.polling = false;
  m.monitor.reset_after_fork();
}

} // namespace weft::patch
