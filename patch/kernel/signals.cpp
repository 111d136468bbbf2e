// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/signals.hpp"

#include <errno.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "patch/kernel/errors.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/own_descriptors.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/signal_context.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/sites/raw_syscall.hpp"

extern "C" void weft_call_on_stack(void* top, void (*handler)(int, siginfo_t*, void*), int signal,
                                   siginfo_t* info, void* context);
extern "C" void weft_signal_return();

namespace weft::patch {
namespace {

constexpr std::uint64_t unblockable = signal_bit(SIGKILL) | signal_bit(SIGSTOP);
constexpr std::uint64_t everything = ~std::uint64_t{0};
constexpr std::uint64_t restorer_flag = 0x04000000;  // SA_RESTORER
constexpr int red_zone = 128;

bool is_ignored_by_default(int signal) noexcept {
  return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT;
}

bool is_caught(const signal_state::action& a) noexcept {
  return a.handler != reinterpret_cast<void*>(SIG_DFL) &&
         a.handler != reinterpret_cast<void*>(SIG_IGN);
}

/// Raised by the instruction at which it arrived, not by somebody.
bool is_fault(const siginfo_t& info) noexcept {
  switch (info.si_signo) {
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP: return info.si_code > 0;
    default: return false;
  }
}

void set_kernel_mask(std::uint64_t mask) noexcept {
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof mask);
}

/// A context's mask: the kernel's is 8 bytes, glibc's type has room for 128.
std::uint64_t& mask_of(ucontext_t& context) noexcept {
  return *reinterpret_cast<std::uint64_t*>(&context.uc_sigmask);
}

bool on_alternate_stack(const green& g, const void* sp) noexcept {
  const auto* base = static_cast<const char*>(g.alternate_stack.ss_sp);
  return sp >= base && sp < base + g.alternate_stack.ss_size;
}

/// A handler of the kernel's making starts with everything blocked; the program's own gets
/// the mask that it asked for, which it may well take along by siglongjmp.
void release_kernel_mask(worker& w) noexcept {
  if (!w.kernel_blocks_all) return;
  w.kernel_blocks_all = false;
  set_kernel_mask(w.kernel_mask);
}

/// Runs the program's handler for g, the caller, as the kernel would set it up: mask
/// raised, one-shot reset, on the alternate stack if it asks for that.
void run_handler(green& g, siginfo_t& info, ucontext_t& context) noexcept {
  signal_state& state = the_machine().signals;
  const int signal = info.si_signo;
  const signal_state::action action = state.actions[signal];
  if (action.flags & SA_RESETHAND) {
    const signal_state::action reset{};
    change_action(signal, &reset, nullptr);
  }
  mask_of(context) = g.restore_blocked ? g.saved_blocked : g.blocked;
  g.restore_blocked = false;
  const std::uint64_t own = action.flags & SA_NODEFER ? 0 : signal_bit(signal);
  set_blocked(g, g.blocked | action.mask | own);
  release_kernel_mask(*g.on);

  auto* handler = reinterpret_cast<void (*)(int, siginfo_t*, void*)>(action.handler);
  const bool alternate = (action.flags & SA_ONSTACK) && !(g.alternate_stack.ss_flags & SS_DISABLE) &&
                         !on_alternate_stack(g, __builtin_frame_address(0)) &&
                         !on_alternate_stack(g, interrupted_stack(context));
  leave_weft(g);
  if (alternate) {
    auto top = reinterpret_cast<std::uintptr_t>(g.alternate_stack.ss_sp) + g.alternate_stack.ss_size;
    weft_call_on_stack(reinterpret_cast<void*>(top & ~std::uintptr_t{15}), handler, signal, &info,
                       &context);
  } else {
    handler(signal, &info, &context);
  }
  g.in_kernel = true;
  set_blocked(g, mask_of(context));
}

/// One pending signal of g's, the caller's. Says whether a handler ran.
bool take_signal(green& g, siginfo_t& info, ucontext_t& context) noexcept {
  const signal_state::action& action = the_machine().signals.actions[info.si_signo];
  if (is_caught(action)) {
    run_handler(g, info, context);
    return true;
  }
  if (action.handler == reinterpret_cast<void*>(SIG_DFL) && !is_ignored_by_default(info.si_signo))
    take_default_action(info.si_signo);
  return false;
}

/// Takes the next signal of `among` that is pending for g, its own before the process's.
bool next_signal(green& g, std::uint64_t among, siginfo_t& info) noexcept {
  return g.pending.pop(among, info) || the_machine().signals.pending.pop(among, info);
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

/// Who takes the signal that arrived while `current` ran: as in Linux the main thread if it
/// will, then the running one, then one whose wait it ends, then any. Null: nobody.
green* recipient(const siginfo_t& info, green& current) noexcept {
  machine& m = the_machine();
  const std::uint64_t bit = signal_bit(info.si_signo);
  const bool real = &current != &current.on->idle;
  const bool willing = real && would_take(current, bit);
  if (willing && is_threads_own(info)) return &current;
  green* main = find_thread(m.main_tid);
  if (main && would_take(*main, bit)) return main;
  if (willing) return &current;
  green* any = nullptr;
  m.all.for_each([&](green& g) {
    if (!would_take(g, bit)) return;
    if (!any || (g.interruptible && !any->interruptible)) any = &g;
  });
  return any;
}

/// What is to be done about a signal that found g in the program's code.
void on_signal_in_program(int, siginfo_t* info, void* opaque) noexcept {
  auto& context = *static_cast<ucontext_t*>(opaque);
  green* g = self();
  g->in_kernel = true;
  g->on->kernel_blocks_all = true;
  green* taker = is_fault(*info) ? g : recipient(*info, *g);
  if (taker == g)
    take_signal(*g, *info, context);
  else
    send_signal(taker ? *taker : *g, *info);
  for (;;) {
    siginfo_t next;
    while (next_signal(*g, ~g->blocked, next)) take_signal(*g, next, context);
    // From here to rt_sigreturn nothing may come in between.
    worker& w = *g->on;
    if (!w.kernel_blocks_all) {
      w.kernel_blocks_all = true;
      set_kernel_mask(everything);
    }
    if (!w.signal_arrived) break;
    route_arrived_signal(w);
  }
  mask_of(context) = g->on->kernel_mask;
  g->on->kernel_blocks_all = false;
  g->in_kernel = false;
}

/// Where a signal that arrived on the worker's stack is to be handled instead, before that
/// is needed for the next.
void* own_signal_stack(const green& g, const ucontext_t& context) noexcept {
  const auto* interrupted = static_cast<const char*>(interrupted_stack(context));
  if (!(g.alternate_stack.ss_flags & SS_DISABLE) && !on_alternate_stack(g, interrupted))
    return static_cast<char*>(g.alternate_stack.ss_sp) + g.alternate_stack.ss_size;
  return const_cast<char*>(interrupted) - red_zone;
}

void on_signal(int signal, siginfo_t* info, void* opaque) noexcept {
  auto& context = *static_cast<ucontext_t*>(opaque);
  green* g = self();
  machine& m = the_machine();
  if (!g || g->passthrough) {
    // Not ours: a kernel thread that weft did not make, or a vfork child.
    const signal_state::action& action = m.signals.actions[signal];
    if (is_caught(action))
      reinterpret_cast<void (*)(int, siginfo_t*, void*)>(action.handler)(signal, info, opaque);
    return;
  }
  if (g->in_kernel) {
    if (is_fault(*info)) {  // weft's own, or a bad pointer that it followed
      take_default_action(signal);
      return;
    }
    worker& w = *g->on;
    w.arrived = *info;
    w.signal_arrived = true;
    mask_of(context) = everything;  // one at a time, until it has been seen to
    if (g == &w.idle) m.reactor.interrupt();
    return;
  }
  const worker& w = *g->on;
  const auto* here = static_cast<const char*>(__builtin_frame_address(0));
  if (w.has_signal_stack && here >= w.signal_stack &&
      here < w.signal_stack + worker::signal_stack_size)
    continue_below(own_signal_stack(*g, context), on_signal_in_program, signal, *info, context);
  on_signal_in_program(signal, info, opaque);
}

}  // namespace

void leave_weft(green& g) noexcept {
  for (;;) {
    g.in_kernel = false;
    asm volatile("" ::: "memory");
    if (!g.on->signal_arrived) return;
    g.in_kernel = true;
    route_arrived_signal(*g.on);
  }
}

void signal_state::add(green& g) noexcept {
  for (std::uint64_t rest = g.blocked; rest; rest &= rest - 1) ++blocked_by[__builtin_ctzll(rest)];
}

void signal_state::remove(green& g) noexcept {
  for (std::uint64_t rest = g.blocked; rest; rest &= rest - 1) --blocked_by[__builtin_ctzll(rest)];
  worker& w = *g.on;
  if (worker_mask() != w.kernel_mask) apply_worker_mask(w);
}

std::uint64_t signal_state::worker_mask() const noexcept {
  const unsigned threads = the_machine().count;
  std::uint64_t mask = 0;
  for (int i = 0; i < count; ++i)
    if (blocked_by[i] == threads || awaited_by[i]) mask |= std::uint64_t{1} << i;
  return mask;
}

void set_blocked(green& g, std::uint64_t mask) noexcept {
  mask &= ~unblockable;
  signal_state& s = the_machine().signals;
  worker& w = *g.on;
  const unsigned threads = the_machine().count;
  std::uint64_t kernel = w.kernel_mask;
  for (std::uint64_t rest = mask ^ g.blocked; rest; rest &= rest - 1) {
    const int i = __builtin_ctzll(rest);
    const std::uint64_t bit = std::uint64_t{1} << i;
    if (mask & bit)
      ++s.blocked_by[i];
    else
      --s.blocked_by[i];
    if (s.blocked_by[i] == threads || s.awaited_by[i])
      kernel |= bit;
    else
      kernel &= ~bit;
  }
  g.blocked = mask;
  if (kernel != w.kernel_mask) apply_worker_mask(w);
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

void apply_worker_mask(worker& w) noexcept {
  w.kernel_mask = the_machine().signals.worker_mask();
  // While a signal waits to be routed all others are held back.
  if (!w.signal_arrived && !w.kernel_blocks_all) set_kernel_mask(w.kernel_mask);
}

bool signal_is_deliverable(const green& g) noexcept {
  const std::uint64_t pending = g.pending.set() | the_machine().signals.pending.set();
  return (pending & (~g.blocked | g.waits_for)) != 0;
}

void hand_pending_to_kernel(green& g) noexcept {
  siginfo_t info;
  const auto process = raw_syscall(SYS_getpid);
  while (g.pending.pop(g.blocked, info))
    raw_syscall(SYS_rt_tgsigqueueinfo, process, raw_syscall(SYS_gettid), info.si_signo, &info);
  while (the_machine().signals.pending.pop(g.blocked, info))
    raw_syscall(SYS_rt_sigqueueinfo, process, info.si_signo, &info);
}

delivery deliver_signals(green& g, syscall_frame& frame) noexcept {
  delivery done;
  siginfo_t info;
  while (next_signal(g, ~g.blocked, info)) {
    const std::uint64_t flags = the_machine().signals.actions[info.si_signo].flags;
    ucontext_t context;
    context_from_frame(frame, context);
    if (take_signal(g, info, context)) {
      done.handled = true;
      if (!(flags & SA_RESTART)) done.may_restart = false;
      frame_from_context(context, frame);
    }
    route_arrived_signal(*g.on);
  }
  return done;
}

void deliver_before_first_instruction(green& g) noexcept {
  if (signal_is_deliverable(g)) deliver_signals(g, *g.first_frame);
}

void send_signal(green& g, const siginfo_t& info) noexcept {
  machine& m = the_machine();
  const signal_state::action& action = m.signals.actions[info.si_signo];
  const bool ignored = action.handler == reinterpret_cast<void*>(SIG_IGN) ||
                       (action.handler == reinterpret_cast<void*>(SIG_DFL) &&
                        is_ignored_by_default(info.si_signo));
  const std::uint64_t bit = signal_bit(info.si_signo);
  if (ignored && !(g.blocked & bit)) return;
  g.pending.push(info);
  if (g.interruptible && signal_is_deliverable(g)) unpark(g, wakeup::signal);
}

void route_arrived_signal(worker& w) noexcept {
  if (!w.signal_arrived) return;
  siginfo_t info = w.arrived;
  if (green* target = recipient(info, *self()))
    send_signal(*target, info);
  else  // blocked by all since it came
    the_machine().signals.pending.push(info);
  w.signal_arrived = false;
  if (!w.kernel_blocks_all) set_kernel_mask(w.kernel_mask);
}

long change_action(int signal, const signal_state::action* next,
                   signal_state::action* previous) noexcept {
  if (signal < 1 || signal > signal_state::count) return -EINVAL;
  signal_state& s = the_machine().signals;
  const signal_state::action old = s.actions[signal];
  if (next) {
    if (unblockable & signal_bit(signal)) return -EINVAL;
    signal_state::action kernel = *next;
    if (is_caught(*next)) {
      kernel.handler = reinterpret_cast<void*>(on_signal);
      kernel.flags = (next->flags & (SA_RESTART | SA_NOCLDSTOP | SA_NOCLDWAIT | SA_ONSTACK)) |
                     SA_SIGINFO | restorer_flag;
      kernel.restorer = reinterpret_cast<void*>(weft_signal_return);
      kernel.mask = everything;
    }
    // In the books first: the handler may come before the system call has returned.
    s.actions[signal] = *next;
    const long result = raw_syscall(SYS_rt_sigaction, signal, &kernel, nullptr, 8);
    if (is_error(result)) {
      s.actions[signal] = old;
      return result;
    }
  }
  if (previous) *previous = old;
  return 0;
}

long wait_for_signal(green& g, std::uint64_t set, siginfo_t* info,
                     core::nanoseconds deadline) noexcept {
  machine& m = the_machine();
  signal_state& s = m.signals;
  set &= ~unblockable;
  siginfo_t found;
  const auto fetch = [&]() -> long {
    if (next_signal(g, set, found)) {
      if (info) *info = found;
      return found.si_signo;
    }
    const timespec none{0, 0};
    return raw_syscall(SYS_rt_sigtimedwait, &set, info, &none, 8);
  };
  for (std::uint64_t rest = set; rest; rest &= rest - 1) ++s.awaited_by[__builtin_ctzll(rest)];
  apply_worker_mask(*g.on);
  std::uint64_t awaited = 0;
  for (int i = 0; i < signal_state::count; ++i)
    if (s.awaited_by[i]) awaited |= std::uint64_t{1} << i;
  const long made = raw_syscall(SYS_signalfd4, s.waiter_descriptor, &awaited, 8,
                                SFD_CLOEXEC | SFD_NONBLOCK);
  if (s.waiter_descriptor < 0 && !is_error(made)) s.waiter_descriptor = move_out_of_sight(made);

  long result;
  for (;;) {
    prepare_park(g);
    g.waits_for = set;
    const std::uint32_t ticket = m.reactor.ticket(s.waiter_descriptor);
    result = fetch();
    if (result != -EAGAIN) break;
    m.reactor.clear(s.waiter_descriptor, core::io_in, ticket);
    core::io_waiter waiter;
    waiter.fd = s.waiter_descriptor;
    waiter.wanted = core::io_in;
    waiter.owner = &g;
    const int added = m.reactor.add(waiter);
    if (added < 0) {
      result = added;
      break;
    }
    const wakeup why = park(g, deadline, park_reason::signal, true);
    m.reactor.remove(waiter);
    if (why == wakeup::timeout) {
      result = fetch();
      break;
    }
    if (why == wakeup::signal && !((g.pending.set() | s.pending.set()) & set)) {
      result = -EINTR;
      break;
    }
  }
  g.waits_for = 0;
  for (std::uint64_t rest = set; rest; rest &= rest - 1) --s.awaited_by[__builtin_ctzll(rest)];
  apply_worker_mask(*g.on);
  return result;
}

void hold_in_kernel(green& g, int signal) noexcept {
  ++the_machine().signals.awaited_by[signal - 1];
  apply_worker_mask(*g.on);
}

bool hold_back_broken_pipe(green& g) noexcept {
  if (g.on->kernel_mask & signal_bit(SIGPIPE)) return false;
  set_kernel_mask(g.on->kernel_mask | signal_bit(SIGPIPE));
  return true;
}

void take_broken_pipe(green& g) noexcept {
  const std::uint64_t pipe = signal_bit(SIGPIPE);
  const timespec none{0, 0};
  siginfo_t info;
  if (raw_syscall(SYS_rt_sigtimedwait, &pipe, &info, &none, 8) == SIGPIPE) send_signal(g, info);
}

void let_broken_pipe_through(green& g) noexcept {
  if (!g.on->signal_arrived) set_kernel_mask(g.on->kernel_mask);
}

void adopt_signal_state(green& main) noexcept {
  signal_state& s = the_machine().signals;
  raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &main.blocked, 8);
  for (int n = 1; n <= signal_state::count; ++n) {
    signal_state::action found;
    if (raw_syscall(SYS_rt_sigaction, n, nullptr, &found, 8) < 0) continue;
    s.actions[n] = found;
    if (is_caught(found)) change_action(n, &found, nullptr);
  }
  stack_t alternate;
  if (raw_syscall(SYS_sigaltstack, nullptr, &alternate) == 0) main.alternate_stack = alternate;
}

void take_default_action(int signal) noexcept {
  signal_state::action reset{};
  // Through the kernel's own default, for the right exit status, core and job control.
  raw_syscall(SYS_rt_sigaction, signal, &reset, nullptr, 8);
  const auto pid = raw_syscall(SYS_getpid);
  raw_syscall(SYS_tgkill, pid, raw_syscall(SYS_gettid), signal);
  const std::uint64_t only = ~signal_bit(signal);
  std::uint64_t before;
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &only, &before, 8);
  // Still here: it stopped us and we were continued.
  set_kernel_mask(before);
}

void signal_state::reset_after_fork(green& g) noexcept {
  for (int i = 0; i < count; ++i) blocked_by[i] = awaited_by[i] = 0;
  add(g);
  waiter_descriptor = -1;
  g.on->signal_arrived = false;
  g.on->kernel_mask = g.blocked;
}

}  // namespace weft::patch
