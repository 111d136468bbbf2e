// SPDX-License-Identifier: BSL-1.0
#include <sys/mman.h>

#include "patch/kernel/cpu_timers.hpp"
#include "patch/kernel/fibers.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/native.hpp"
#include "patch/kernel/preempt_stack.hpp"
#include "patch/kernel/process.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/signal_context.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/user_memory.hpp"

namespace weft::patch {
namespace {

constexpr int red_zone = 128;

/// Raised by the instruction at which it arrived, not by somebody.
bool is_fault(const siginfo_t& info) noexcept {
  switch (info.si_signo) {
  case SIGSEGV:
  case SIGBUS:
  case SIGFPE:
  case SIGILL:
  case SIGTRAP:
    return info.si_code > 0;
  default:
    return false;
  }
}

bool would_take(const green& g, std::uint64_t bit) noexcept {
  return !(g.blocked & bit) || (g.waits_for & bit);
}

/// Sent to the kernel thread because of what it did; the rest is for the process.
bool is_threads_own(const siginfo_t& info) noexcept {
  // A broken pipe's signal looks as if the process had sent it to itself.
  return is_fault(info) || info.si_code == SI_TKILL ||
         (info.si_signo == SIGPIPE && info.si_code == SI_USER &&
          info.si_pid == the_machine().main_tid);
}

/// Who takes the signal that arrived while `current` ran: as in Linux the main thread if it will,
/// then the running one, then one whose wait it ends, then any. Null: nobody.
green* recipient(const siginfo_t& info, green& current) noexcept {
  machine& m = the_machine();
  const std::uint64_t bit = signal_bit(info.si_signo);
  const bool real = &current != &current.on->idle;
  const bool willing = real && would_take(current, bit);
  if (willing && is_threads_own(info)) return &current;
  green* main = find_thread(m.main_tid);
  if (main && would_take(*main, bit)) {
    // Where a hub's thread runs one of its fibers that is where it is.
    const bool is_here = current.fiber && current.host->thread == main;
    return willing && is_here ? &current : main;
  }
  if (willing) return &current;
  green* any = nullptr;
  m.all.for_each([&](green& g) {
    if (!would_take(g, bit)) return;
    if (!any || (g.interruptible && !any->interruptible)) any = &g;
  });
  return any;
}

} // namespace

void find_taker(const siginfo_t& info, green& current) noexcept {
  if (asks_for_dump(info.si_signo)) return the_machine().dump(nullptr);
  if (is_cpu_timers_wake_up(info)) return attend_cpu_timers();
  if (const thread_timer* timer = timer_of(info)) {
    if (green* named = find_thread(timer->tid)) send_signal(*named, info);
    return;
  }
  green* taker = recipient(info, current);
  signal_queue& process = the_machine().signals.pending;
  // Behind those of its number that came when nobody would take them, if any are still there.
  const bool others_first = process.set() & signal_bit(info.si_signo);
  // Who waits for it finds it there as well; until then it is to be seen as pending.
  const bool is_awaited = taker && (taker->blocked & signal_bit(info.si_signo));
  if (taker && (!(others_first || is_awaited) || is_threads_own(info)))
    return send_signal(*taker, info);
  process.push(info);
  if (taker)
    tell_of_pending(*taker);
  else
    show_pending_to_descriptors();
}

void send_to_own_process(green& g, const siginfo_t& info) noexcept {
  const signal_state& s = the_machine().signals;
  const int signal = info.si_signo;
  if (is_ignored(s.actions[signal], signal) && !(s.blocked_by_main & signal_bit(signal))) return;
  find_taker(info, g);
}

namespace {

/// Whether a signal came only because some thread might block it (signal_state::guarded), and none
/// that counts does. To be said at once: the program may change its mind before it is routed.
bool is_of_no_interest(const machine& m, const siginfo_t& info) noexcept {
  const std::uint64_t bit = signal_bit(info.si_signo);
  const signal_state& s = m.signals;
  return (s.guarded & bit) && !((s.blocked_by_main | s.timed) & bit) && info.si_code != SI_TKILL &&
         is_ignored(s.actions[info.si_signo], info.si_signo) && !asks_for_dump(info.si_signo);
}

void block_all(worker& w) noexcept {
  if (w.kernel_blocks_all) return;
  w.kernel_blocks_all = true;
  set_kernel_mask(every_signal);
}

/// Leaves a signal's frame for where it interrupted g, the caller; all signals are blocked.
void return_from_signal(green& g, ucontext_t& context) noexcept {
  worker& w = *g.on;
  mask_of(context) = w.kernel_mask;
  // The frame may have been made by another worker's kernel thread.
  context.uc_stack = w.has_signal_stack ? stack_t{w.signal_stack, 0, worker::signal_stack_size}
                                        : stack_t{nullptr, SS_DISABLE, 0};
  w.kernel_blocks_all = false;
  if (w.attention.load(std::memory_order_relaxed)) {
    attend(w);
    mask_of(context) = w.kernel_mask;
  }
  the_machine().lock.release();
  g.in_kernel = false;
}

/// Handles `info` for g, the caller, and counts it in `done`.
void take_and_note(green& g, siginfo_t& info, ucontext_t& context, delivery& done) noexcept {
  const std::uint64_t flags = the_machine().signals.actions[info.si_signo].flags;
  if (!take_signal(g, info, context)) return;
  done.handled = true;
  if (!(flags & SA_RESTART)) done.may_restart = false;
}

/// What is to be done about a signal that found g in the program's code.
void on_signal_in_program(int, siginfo_t* info, void* opaque) noexcept {
  auto& context = *static_cast<ucontext_t*>(opaque);
  green* g = self();
  const machine& m = the_machine();
  enter_weft(*g);
  worker& came_to = *g->on;
  came_to.kernel_blocks_all = true;
  const bool lasts = g->interrupted_without;
  if (lasts) {
    g->interrupted_without = false;
    find_processor(*g);
    block_all(*g->on);
  }
  if (g->has_call_mask && ended_native_call(context)) { // sigsuspend, ppoll, ...
    g->saved_blocked = g->blocked;
    g->restore_blocked = true;
    set_blocked(*g, g->call_mask);
  }
  if (g->shows_itself) m.show(*g, &context);
  delivery done;
  errand what;
  if (asks_for_dump(info->si_signo)) {
    the_machine().dump(&context);
  } else if (!is_errand(*info, what)) {
    if (is_fault(*info))
      take_and_note(*g, *info, context, done);
    else
      find_taker(*info, *g);
  }
  came_to.arriving.store(0, std::memory_order_relaxed);
  for (;;) {
    siginfo_t next;
    while (next_signal(*g, ~g->blocked, next))
      take_and_note(*g, next, context, done);
    if (g->restore_blocked) { // nothing was handled after all
      g->restore_blocked = false;
      set_blocked(*g, g->saved_blocked);
      continue;
    }
    // From here to rt_sigreturn nothing may come in between.
    worker& w = *g->on;
    block_all(w);
    if (!w.signal_arrived) break;
    route_arrived_signal(w);
  }
  resume_native(*g, context, done, lasts);
  return_from_signal(*g, context);
}

bool is_blocked(const green& g, int signal) noexcept {
  return g.blocked & signal_bit(signal);
}

/// Of a fault that nobody catches, or that came in weft's own code. The instruction is made once
/// more, without us, so that the core shows it.
void die_of_fault(const siginfo_t& info, ucontext_t& context) noexcept {
  const bool comes_again = info.si_signo != SIGTRAP && info.si_code != SI_KERNEL;
  if (!comes_again) return take_default_action(info.si_signo);
  const signal_state::action reset{};
  raw_syscall(SYS_rt_sigaction, info.si_signo, &reset, nullptr, 8);
  mask_of(context) &= ~signal_bit(info.si_signo);
}

/// Where a signal that arrived on the worker's stack is to be handled instead, before that
/// is needed for the next.
void* own_signal_stack(const green& g, const ucontext_t& context) noexcept {
  const auto* interrupted = static_cast<const char*>(interrupted_stack(context));
  if (!(g.alternate_stack.ss_flags & SS_DISABLE) && !on_alternate_stack(g, interrupted))
    return static_cast<char*>(g.alternate_stack.ss_sp) + g.alternate_stack.ss_size;
  return const_cast<char*>(interrupted) - red_zone;
}

/// The thread that was interrupted has had its share. It runs on a stack of weft's, since its own
/// may have no room for all that the processor's registers hold.
void on_preempted(int, siginfo_t* info, void* opaque) noexcept {
  auto& context = *static_cast<ucontext_t*>(opaque);
  green* g = self();
  enter_weft(*g);
  worker& before = *g->on;
  before.preempt = false;
  // As set_blocked would leave it: others run here now.
  before.kernel_blocks_all = false;
  if (!before.signal_arrived) set_kernel_mask(before.kernel_mask);
  if (g->shows_itself) the_machine().show(*g, &context);
  give_way(*g);
  worker& w = *g->on;
  block_all(w);
  if (w.signal_arrived) route_arrived_signal(w);
  if (signal_is_deliverable(*g)) {
    // What became pending meanwhile is handled on the program's own stack.
    void* own = own_signal_stack(*g, context);
    release_preempt_stack(w, &context);
    the_machine().lock.release(); // it enters anew
    continue_below(own, on_signal_in_program, SIGURG, *info, context);
  }
  release_preempt_stack(w, &context);
  resume_native(*g, context, delivery{}, false); // if it was about to make a call of the kernel's
  return_from_signal(*g, context);
}

} // namespace

void on_signal(int signal, siginfo_t* info, void* opaque) noexcept {
  auto& context = *static_cast<ucontext_t*>(opaque);
  clear_alignment_check(context);
  green* g = self();
  if (is_fault(*info)) {
    if (g && g->in_kernel && is_programs_trap(*info, context, g->call)) return;
    if (resume_after_user_fault(opaque)) return;
  }
  machine& m = the_machine();
  const signal_state::action& action = m.signals.actions[signal];
  const bool ours = g && !g->passthrough && !is_double(*g);
  if (is_fault(*info) &&
      (!is_caught(action) || (ours && (g->in_kernel || is_blocked(*g, signal))))) {
    if (ours && !g->in_kernel) {
      enter_weft(*g);
      walk_all_robust_lists();
      the_machine().lock.release();
    }
    return die_of_fault(*info, context);
  }
  if (!ours) {
    // A kernel thread that weft did not make, or a vfork child.
    if (!g) m.futexes.expect_outsiders();
    if (errand what; is_errand(*info, what) || is_cpu_timers_wake_up(*info)) return;
    if (asks_for_dump(signal)) {
      if (!g) raw_syscall(SYS_tgkill, m.main_tid, m.home->tid.load(), signal);
    } else if (is_caught(action))
      reinterpret_cast<void (*)(int, siginfo_t*, void*)>(action.handler)(signal, info, opaque);
    else if (action.handler != reinterpret_cast<void*>(SIG_IGN) && !is_ignored_by_default(signal))
      take_default_action(signal);
    return;
  }
  if (errand what;
      !is_errand(*info, what) && !is_cpu_timers_wake_up(*info) && is_of_no_interest(m, *info))
    return;
  if (g->in_kernel) {
    worker& w = *g->on;
    if (errand what; is_errand(*info, what)) {
      if (g == &w.idle) w.preempt = false;
      return;
    }
    if (w.signal_arrived) { // only what shows wrong addresses is let in then: back to the kernel
      queue_in_kernel(*info);
      mask_of(context) = every_signal;
      return;
    }
    w.arrived = *info;
    w.signal_arrived = true;
    // One at a time, until it has been seen to.
    mask_of(context) = every_signal & ~access_faults;
    if (g == &w.idle) m.reactor.interrupt();
    return;
  }
  worker& w = *g->on;
  if (errand what; !is_errand(*info, what) && !is_fault(*info))
    w.arriving.store(signal, std::memory_order_relaxed);
  const worker_state was = interrupt_native(*g);
  g->interrupted_without = was == worker_state::without;
  const auto* here = static_cast<const char*>(__builtin_frame_address(0));
  const bool on_workers_stack = w.has_signal_stack && here >= w.signal_stack &&
                                here < w.signal_stack + worker::signal_stack_size;
  errand what;
  if (is_errand(*info, what) && what == errand::preempt && was != worker_state::without) {
    if (g->spawning) return;
    // Of two errands that have not arrived the kernel keeps one.
    const bool attends = w.attention.load(std::memory_order_relaxed) || signal_is_deliverable(*g);
    if (was == worker_state::in_native &&
        !attends) { // the next look takes the processor away instead
      resume_native(*g, context, delivery{}, false);
      return;
    }
    char* top = nullptr;
    if (was == worker_state::running && on_workers_stack) top = take_preempt_stack(w);
    if (top) continue_below(top, on_preempted, signal, *info, context);
    if (!attends) return;
  }
  if (on_workers_stack)
    continue_below(own_signal_stack(*g, context), on_signal_in_program, signal, *info, context);
  on_signal_in_program(signal, info, opaque);
}

void route_arrived_signal(worker& w) noexcept {
  if (!w.signal_arrived) return;
  const siginfo_t info = w.arrived;
  find_taker(info, *self());
  w.signal_arrived = false;
  if (!w.kernel_blocks_all) set_kernel_mask(w.kernel_mask);
}

void leave_weft_again(green& g) noexcept {
  do {
    enter_weft(g);
    route_arrived_signal(*g.on);
    the_machine().lock.release();
    g.in_kernel = false;
    asm volatile("" ::: "memory");
  } while (g.on->signal_arrived);
}

void prepare_signal_stack(worker& w) noexcept {
  if (w.has_signal_stack) return;
  if (!w.signal_stack) {
    const long at = core::sys::map(nullptr, worker::signal_stack_size, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    if (at < 0) return;
    w.signal_stack = reinterpret_cast<char*>(at);
  }
  const stack_t stack{w.signal_stack, 0, worker::signal_stack_size};
  // Not while a handler runs on the one that the kernel knows.
  w.has_signal_stack = raw_syscall(SYS_sigaltstack, &stack, nullptr) == 0;
}

} // namespace weft::patch
