// SPDX-License-Identifier: BSL-1.0
#include <fcntl.h>
#include <sys/syscall.h>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/signal_context.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/sites/raw_syscall.hpp"

extern "C" void weft_call_on_stack(void* top, void (*handler)(int, siginfo_t*, void*), int signal,
                                   siginfo_t* info, void* context);

namespace weft::patch {
namespace {

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
  const stack_t stack = g.alternate_stack;
  const bool wanted = (action.flags & SA_ONSTACK) && !(stack.ss_flags & SS_DISABLE) &&
                      !on_alternate_stack(g, interrupted_stack(context));
  const bool alternate = wanted && !on_alternate_stack(g, __builtin_frame_address(0));
  // The handler sees the thread's stack; the kernel's sigreturn, if there is to be one, its own.
  const stack_t known_to_kernel = context.uc_stack;
  context.uc_stack = stack;
  if (wanted && (stack.ss_flags & autodisarm)) g.alternate_stack = {nullptr, SS_DISABLE, 0};
  leave_weft(g);
  if (alternate) {
    const auto top = reinterpret_cast<std::uintptr_t>(stack.ss_sp) + stack.ss_size;
    weft_call_on_stack(reinterpret_cast<void*>(top & ~std::uintptr_t{15}), handler, signal, &info,
                       &context);
  } else {
    handler(signal, &info, &context);
  }
  enter_weft(g);
  if (context.uc_stack.ss_flags & autodisarm) g.alternate_stack = context.uc_stack;
  context.uc_stack = known_to_kernel;
  set_blocked(g, mask_of(context));
}

} // namespace

long queue_in_kernel(const siginfo_t& info) noexcept {
  const auto process = raw_syscall(SYS_getpid);
  const long result = raw_syscall(SYS_rt_sigqueueinfo, process, info.si_signo, &info);
  if (result != -EPERM) return result;
  if (info.si_code == SI_USER && info.si_pid == process)
    return raw_syscall(SYS_kill, process, info.si_signo);
  siginfo_t queued = info;
  queued.si_code = SI_QUEUE;
  return raw_syscall(SYS_rt_sigqueueinfo, process, info.si_signo, &queued);
}

namespace {

/// Whether all that could let the signal in know that they are not to. Those that do not are told.
bool do_all_workers_block(std::uint64_t bit) noexcept {
  machine& m = the_machine();
  bool all = true;
  for (const processor& p : m.processors) {
    worker* w = p.holder.load(std::memory_order_relaxed);
    if (!w || (w->kernel_mask & bit)) continue;
    all = false;
    w->attention = true;
    if (w != self()->on) send_errand(*w, errand::attend);
  }
  if (const worker* poller = m.processors.poller; poller && !(poller->kernel_mask & bit)) {
    all = false;
    if (poller != self()->on) m.reactor.interrupt();
  }
  return all;
}

/// A signalfd tells only of what is pending in the kernel. There a signal that all threads block
/// stays until it is read, though it is then the process's and no longer one thread's.
bool goes_to_descriptors(const green& g, const siginfo_t& info) noexcept {
  const signal_state& s = the_machine().signals;
  const std::uint64_t bit = signal_bit(info.si_signo);
  if (!s.has_descriptor || !(s.blocked.equal_to(the_machine().count) & ~s.awaited.any() & bit))
    return false;
  if ((g.pending.set() & bit) || !do_all_workers_block(bit)) return false;
  return queue_in_kernel(info) == 0;
}

} // namespace

void show_pending_to_descriptors() noexcept {
  machine& m = the_machine();
  signal_state& s = m.signals;
  if (!s.has_descriptor || !m.processors.several()) return;
  std::uint64_t shown = s.pending.set() & s.blocked.equal_to(m.count) & ~s.awaited.any();
  for (; shown; shown &= shown - 1) {
    const std::uint64_t bit = shown & -shown;
    siginfo_t info;
    while (do_all_workers_block(bit) && s.pending.pop(bit, info))
      queue_in_kernel(info);
  }
}

namespace {

/// What is pending in the kernel for the calling kernel thread alone: only /proc tells.
std::uint64_t pending_for_kernel_thread() noexcept {
  std::uint64_t any = 0;
  raw_syscall(SYS_rt_sigpending, &any, 8);
  if (!any) return 0;
  const long fd = raw_syscall(SYS_open, "/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return 0;
  char text[4096];
  const long length = raw_syscall(SYS_read, fd, text, sizeof text);
  raw_syscall(SYS_close, fd);
  constexpr char label[] = "\nSigPnd:\t";
  constexpr long label_length = sizeof label - 1;
  long at = 0;
  while (at + label_length + 16 <= length && __builtin_memcmp(text + at, label, label_length) != 0)
    ++at;
  std::uint64_t set = 0;
  for (long i = at + label_length; i < at + label_length + 16 && i < length; ++i)
    set = set * 16 + static_cast<unsigned>(text[i] <= '9' ? text[i] - '0' : text[i] - 'a' + 10);
  return set;
}

} // namespace

bool on_alternate_stack(const green& g, const void* sp) noexcept {
  const auto* base = static_cast<const char*>(g.alternate_stack.ss_sp);
  return sp >= base && sp < base + g.alternate_stack.ss_size;
}

/// Takes the next signal of `among` that is pending for g, its own before the process's.
bool next_signal(green& g, std::uint64_t among, siginfo_t& info) noexcept {
  if (!g.pending.pop(among, info) && !the_machine().signals.pending.pop(among, info)) return false;
  note_timers_signal(info);
  return true;
}

bool take_signal(green& g, siginfo_t& info, ucontext_t& context) noexcept {
  const signal_state::action& action = the_machine().signals.actions[info.si_signo];
  if (is_caught(action)) {
    run_handler(g, info, context);
    return true;
  }
  const int signal = info.si_signo;
  if (action.handler == reinterpret_cast<void*>(SIG_DFL) && !is_ignored_by_default(signal)) {
    const bool only_stops = signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
    if (!only_stops) walk_all_robust_lists();
    take_default_action(signal);
  }
  return false;
}

void send_signal(green& g, const siginfo_t& info) noexcept {
  machine& m = the_machine();
  const signal_state::action& action = m.signals.actions[info.si_signo];
  if (is_ignored(action, info.si_signo) && !(g.blocked & signal_bit(info.si_signo))) return;
  if (goes_to_descriptors(g, info)) return;
  g.pending.push(info);
  if (signal_is_deliverable(g)) tell_of_pending(g);
}

void tell_of_pending(green& g) noexcept {
  if (g.interruptible) {
    unpark(g, wakeup::signal);
  } else if (g.on && g.on->current == &g && g.on->current != self()) {
    send_errand(*g.on, errand::attend); // it waits in the kernel, or runs beside the caller
  }
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

void take_pending_from_kernel(green& g) noexcept {
  const worker& w = *g.on;
  // What the kernel does not hold back is not pending there.
  if (!w.kernel_mask && !w.kernel_blocks_all && !w.signal_arrived) return;
  const timespec none{0, 0};
  siginfo_t info;
  // One at a time, since the kernel takes what is pending for the process next.
  while (const std::uint64_t own = pending_for_kernel_thread())
    if (raw_syscall(SYS_rt_sigtimedwait, &own, &info, &none, 8) <= 0)
      break;
    else
      g.pending.push(info);
}

void hand_pending_to_kernel(green& g) noexcept {
  if (!g.pending.set() && !the_machine().signals.pending.set()) return;
  siginfo_t info;
  const auto process = raw_syscall(SYS_getpid);
  const auto to_itself = [&] {
    raw_syscall(SYS_rt_tgsigqueueinfo, process, raw_syscall(SYS_gettid), info.si_signo, &info);
  };
  while (g.pending.pop(g.blocked, info))
    to_itself();
  // A worker that has yet to hear that it is to hold one back would be lost with it.
  while (the_machine().signals.pending.pop(g.blocked, info))
    if (do_all_workers_block(signal_bit(info.si_signo)))
      queue_in_kernel(info);
    else
      to_itself();
}

} // namespace weft::patch
