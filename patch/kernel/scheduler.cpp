// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/scheduler.hpp"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "patch/kernel/cpu_time.hpp"
#include "patch/kernel/fibers.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/preempt_stack.hpp"
#include "patch/kernel/scheduler_detail.hpp"
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

/// `enqueue` where there are several processors.
[[gnu::noinline]] void enqueue_among_several(green& g) noexcept {
  machine& m = the_machine();
  processor& p = queue_for(g);
  g.ready_as = g.urgent ? 0 : ++m.processors.arrivals;
  if (g.urgent)
    p.ready.push_front(g);
  else if (g.had_its_share)
    m.processors.shared.push_back(g);
  else
    p.ready.push_back(g);
  g.had_its_share = false;
  consider_help(p);
  m.monitor.look();
}

/// Puts g among those that shall run: behind the others, or before them.
void enqueue(green& g) noexcept {
  machine& m = the_machine();
  if (m.processors.several()) return enqueue_among_several(g);
  ready_queue& ready = m.processors[0].ready;
  if (g.urgent)
    ready.push_front(g);
  else
    ready.push_back(g);
  g.had_its_share = false;
  m.monitor.look();
}

/// Leaves g, which came back without a processor, where who has one finds it.
void give_back(green& g) noexcept {
  machine& m = the_machine();
  if (m.lock.is_used()) return enqueue(g);
  g.next_returned = m.returned.load(std::memory_order_relaxed);
  while (!m.returned.compare_exchange_weak(g.next_returned, &g))
    ;
  if (m.polling) m.reactor.interrupt();
  m.monitor.look(); // whoever has the processor may compute for long
}

/// The other half of a switch, done by whoever was switched to: only now is the previous
/// thread's context complete and may another worker take it.
void finish_switch(green& previous, core::context suspended) noexcept {
  previous.suspended = suspended;
  if (self()->on->state.load(std::memory_order_relaxed) == worker_state::without) {
    give_back(previous);
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

/// The switch itself.
[[gnu::always_inline]] inline void jump_to(green& from, green& to) noexcept {
  worker& w = *from.on;
  to.on = &w;
  w.current = &to;
  set_thread_pointer(to.thread_pointer);
  const core::transfer t = weft_jump_keeping_vectors(to.suspended, &from, core::jump);
  finish_switch(*static_cast<green*>(t.data), t.from);
}

/// The same where it is to be written down who ran how long, or is a call of the kernel's.
[[gnu::noinline]] void note_and_jump_to(green& from, green& to) noexcept {
  machine& m = the_machine();
  if (m.counts_cpu_time) charge(from);
  if (m.processors.several()) note_turn(from, to, from.on->holds);
  jump_to(from, to);
}

/// Leaves `from` for `to`, on the same worker. Returns when something switches back,
/// perhaps on another worker. Out of line: no address of a thread-local may be kept over it.
[[gnu::noinline]] void switch_to(green& from, green& to) noexcept {
  machine& m = the_machine();
  // In two functions, so that this one need not keep registers.
  if (m.counts_cpu_time || m.processors.several() || !has_fsgsbase) [[unlikely]]
    return note_and_jump_to(from, to);
  jump_to(from, to);
}

void count_turn(processor& p) noexcept {
  std::atomic<std::uint64_t>& switches = p.stats.switches;
  switches.store(switches.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

/// With many threads each comes back to lines that are in no cache, and to pages that are in no
/// TLB: those of the next one are asked for while another runs. In its frames the jump's and, above
/// the vector registers, those of the call that it is in; in its TLS what a call looks at, weft's
/// pointer and the word in libc's struct pthread by which calls are cancelled (in glibc 2.36; it
/// does no harm elsewhere). Lines come in pairs. More of them than can be under way at a time cost
/// what they gain.
inline void fetch_ahead(const green& next) noexcept {
  constexpr std::ptrdiff_t pair = 128;
  constexpr std::ptrdiff_t above_vectors = 0x140;
  constexpr std::ptrdiff_t cancellation = 0x308;
  const char* const frames = static_cast<const char*>(next.suspended);
  const char* const tls = static_cast<const char*>(next.thread_pointer);
  __builtin_prefetch(frames);
  __builtin_prefetch(tls + cancellation, 1);
  __builtin_prefetch(tls + self_offset(), 1);
  for (int i = 0; i < 4; ++i)
    __builtin_prefetch(frames + above_vectors + i * pair);
}

/// Gives the processor to the next ready thread, or to the worker's own context.
void run_next(green& from) noexcept {
  machine& m = the_machine();
  processor& p = *from.on->holds;
  // A look at events that can bring nothing is a system call saved.
  if (p.budget == 0 && from.on == m.home && !m.processors.several() && !events_may_come(m))
    p.budget = turns_between_polls;
  if (p.ready.empty() || p.budget == 0 || p.ready.front().bound) {
    switch_to(from, from.on->idle);
  } else {
    --p.budget;
    count_turn(p);
    green& to = p.ready.pop();
    if (!p.ready.empty()) fetch_ahead(p.ready.front());
    switch_to(from, to);
  }
}

[[noreturn]] void idle_loop(core::transfer t) noexcept {
  finish_switch(*static_cast<green*>(t.data), t.from);
  work(*self()->on);
}

/// A hub jumped here, and wants to know where it was.
[[noreturn]] void first_entry_of_fiber(core::transfer t) noexcept {
  *static_cast<core::context*>(t.data) = t.from;
  enter_weft(*self());
  begin_thread(*self());
}

[[noreturn]] void first_entry(core::transfer t) noexcept {
  finish_switch(*static_cast<green*>(t.data), t.from);
  begin_thread(*self());
}

} // namespace

namespace {

/// The rest of `park`, whatever there is to do.
[[gnu::noinline]] wakeup park_somehow(green& g, core::nanoseconds deadline) noexcept {
  machine& m = the_machine();
  if (m.keep_times) g.since = core::monotonic_now();
  if (deadline != core::never) {
    g.deadline = deadline;
    m.timers.insert(g);
    if (m.processors.poller && deadline < m.processors.polls_until) m.reactor.interrupt();
  }
  if (g.fiber)
    park_fiber(g, g.interruptible && g.reason != park_reason::futex);
  else
    run_next(g);
  if (deadline != core::never) m.timers.cancel(g);
  g.interruptible = false;
  return g.why;
}

} // namespace

wakeup park(green& g, core::nanoseconds deadline, park_reason reason, bool interruptible) noexcept {
  machine& m = the_machine();
  if (g.why == wakeup::none && interruptible && signal_is_deliverable(g)) g.why = wakeup::signal;
  if (g.why != wakeup::none) return g.why;
  ++m.stats.parks[static_cast<int>(reason)];
  g.interruptible = interruptible;
  g.reason = reason;
  // Most wait for a word, without a deadline.
  if (deadline != core::never || g.fiber || m.keep_times) return park_somehow(g, deadline);
  run_next(g);
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

void give_way(green& g) noexcept {
  g.had_its_share = true;
  look_for_events(g);
  yield(g);
}

void look_for_events(green& g) noexcept {
  g.on->holds->budget = 0;
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

void run(worker& w, green& g) noexcept {
  count_turn(*w.holds);
  switch_to(w.idle, g);
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
  m.initial = m.home = &w;
  m.processors.reset(w);
  m.returned = nullptr;
  m.polling = false;
  reset_preempt_stacks_after_fork();
  m.monitor.reset_after_fork();
}

} // namespace weft::patch
