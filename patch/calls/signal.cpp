// SPDX-License-Identifier: BSL-1.0
//
// Signals: masks, dispositions, sending, waiting.
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include "patch/calls/call_mask.hpp"
#include "patch/calls/deadline.hpp"
#include "patch/calls/libcs_own.hpp"
#include "patch/calls/table.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/spin_lock.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constexpr std::uint64_t sigset_size = 8;

using action = signal_state::action;

/// Natively what came before a handler is taken back has run it: a signal is a thread's as soon as
/// it is sent. Here it may still be on its way from another worker. Whether g, the caller, has to
/// run the handler first.
bool is_handler_due(green& g, int signal, const action& next) noexcept {
  const signal_state& s = the_machine().signals;
  if (!the_machine().processors.several() || signal < 1 || signal > signal_state::count)
    return false;
  if (!is_caught(s.actions[signal]) || next.handler == s.actions[signal].handler) return false;
  const std::uint64_t bit = signal_bit(signal);
  if (g.blocked & bit) return false;
  // The kernel may have chosen another kernel thread, which has not woken up yet.
  const timespec none{0, 0};
  for (siginfo_t info; raw_syscall(SYS_rt_sigtimedwait, &bit, &info, &none, sigset_size) > 0;)
    find_taker(info, g);
  constexpr core::nanoseconds patience = 1'000'000'000; // it may have to wait for a processor
  core::nanoseconds until = 0;
  while (is_on_its_way(signal, *g.on)) {
    const core::nanoseconds now = core::monotonic_now();
    if (until == 0) until = now + patience;
    if (now > until) break;
    the_machine().lock.release();
    let_holder_run();
    the_machine().lock.acquire();
  }
  route_arrived_signal(*g.on);
  return (g.pending.set() | s.pending.set()) & bit;
}

long on_rt_sigaction(green& g, syscall_frame& f) noexcept {
  if (f.r10 != sigset_size) return -EINVAL;
  action next;
  if (f.rsi && !get_user(next, pointer<action>(f.rsi))) return -EFAULT;
  if (f.rsi && is_handler_due(g, number(f.rdi), next)) return restart_always;
  action previous;
  const long result = change_action(number(f.rdi), f.rsi ? &next : nullptr, &previous);
  if (result == 0 && f.rdx && !put_user(pointer<action>(f.rdx), previous)) return -EFAULT;
  return result;
}

long on_rt_sigprocmask(green& g, syscall_frame& f) noexcept {
  if (f.r10 != sigset_size) return -EINVAL;
  const std::uint64_t before = g.blocked;
  const int how = number(f.rdi);
  // Asked that way to find out whether an address can be read.
  if (f.rsi && how != SIG_BLOCK && how != SIG_UNBLOCK && how != SIG_SETMASK)
    return raw_syscall(SYS_rt_sigprocmask, how, f.rsi, nullptr, sigset_size);
  if (f.rsi) {
    std::uint64_t set;
    if (!get_user(set, pointer<std::uint64_t>(f.rsi))) return -EFAULT;
    // libc's own two signals are in no set that a program passes through it.
    const bool brief = set == every_signal && is_libcs_own(f);
    switch (how) {
    case SIG_BLOCK:
      if (brief)
        block_all_briefly(g);
      else
        set_blocked(g, before | set);
      break;
    case SIG_UNBLOCK:
      set_blocked(g, before & ~set);
      break;
    default:
      set_blocked(g, set);
    }
  }
  return !f.rdx || put_user(pointer<std::uint64_t>(f.rdx), before) ? 0 : -EFAULT;
}

long on_rt_sigpending(green& g, syscall_frame& f) noexcept {
  if (f.rsi > sigset_size) return -EINVAL;
  std::uint64_t process = 0;
  raw_syscall(SYS_rt_sigpending, &process, sigset_size);
  const std::uint64_t all =
      (process | g.pending.set() | the_machine().signals.pending.set()) & g.blocked;
  return copy_to_user(pointer<void>(f.rdi), &all, f.rsi) ? 0 : -EFAULT;
}

/// Parks until a handler has run.
long wait_for_handler(green& g) noexcept {
  prepare_park(g);
  park(g, core::never, park_reason::signal, true);
  return restart_unless_handled;
}

long on_pause(green& g, syscall_frame&) noexcept {
  return wait_for_handler(g);
}

long on_rt_sigsuspend(green& g, syscall_frame& f) noexcept {
  if (f.rsi != sigset_size) return -EINVAL;
  std::uint64_t set;
  if (!get_user(set, pointer<std::uint64_t>(f.rdi))) return -EFAULT;
  if (left_to_kernel(g, &set)) return pass_to_kernel;
  g.saved_blocked = g.blocked;
  g.restore_blocked = true;
  set_blocked(g, set);
  return wait_for_handler(g);
}

long on_rt_sigtimedwait(green& g, syscall_frame& f) noexcept {
  if (f.r10 != sigset_size) return -EINVAL;
  std::uint64_t set;
  if (!get_user(set, pointer<std::uint64_t>(f.rdi))) return -EFAULT;
  core::nanoseconds until = core::never;
  if (f.rdx) {
    const core::nanoseconds span = span_of(pointer<timespec>(f.rdx));
    if (span < 0) return span;
    until = call_deadline(g, span);
  }
  siginfo_t info;
  const long result = wait_for_signal(g, set, &info, until);
  if (result > 0 && f.rsi && !put_user(pointer<siginfo_t>(f.rsi), info)) return -EFAULT;
  return result;
}

siginfo_t sent_by_this_process(int code) noexcept {
  siginfo_t info{};
  info.si_code = code;
  info.si_pid = the_machine().main_tid;
  info.si_uid = static_cast<uid_t>(raw_syscall(SYS_getuid));
  return info;
}

/// A signal for one thread of this process.
long send_to_thread(green& g, pid_t tid, int signal, const siginfo_t* given) noexcept {
  green* target = find_thread(tid);
  if (!target) return -ESRCH;
  if (signal < 0 || signal > signal_state::count) return -EINVAL;
  if (signal == 0) return 0;
  // What no thread can hold back is the kernel's, and the whole process's.
  if (signal == SIGKILL || signal == SIGSTOP)
    return raw_syscall(SYS_kill, the_machine().main_tid, signal);
  siginfo_t info = given ? *given : sent_by_this_process(SI_TKILL);
  info.si_signo = signal;
  send_signal(*target, info);
  (void)g;
  return 0;
}

/// What stops a process or lets it go on is for all of its kernel threads.
bool is_job_control(int signal) noexcept {
  return signal == SIGKILL || signal == SIGSTOP || signal == SIGCONT || signal == SIGTSTP ||
         signal == SIGTTIN || signal == SIGTTOU;
}

bool is_kernels_to_send(pid_t to, int signal) noexcept {
  const machine& m = the_machine();
  return !m.processors.several() || to != m.main_tid || signal < 1 ||
         signal > signal_state::count || is_job_control(signal);
}

long on_kill(green& g, syscall_frame& f) noexcept {
  if (is_kernels_to_send(number(f.rdi), number(f.rsi))) return pass_to_kernel;
  siginfo_t info = sent_by_this_process(SI_USER);
  info.si_signo = number(f.rsi);
  send_to_own_process(g, info);
  return 0;
}

long on_rt_sigqueueinfo(green& g, syscall_frame& f) noexcept {
  if (is_kernels_to_send(number(f.rdi), number(f.rsi))) return pass_to_kernel;
  siginfo_t info;
  if (!get_user(info, pointer<siginfo_t>(f.rdx))) return -EFAULT;
  info.si_signo = number(f.rsi);
  send_to_own_process(g, info);
  return 0;
}

long on_tkill(green& g, syscall_frame& f) noexcept {
  const pid_t tid = number(f.rdi);
  return find_thread(tid) ? send_to_thread(g, tid, number(f.rsi), nullptr) : pass_to_kernel;
}

long on_tgkill(green& g, syscall_frame& f) noexcept {
  if (number(f.rdi) != the_machine().main_tid) return pass_to_kernel;
  return send_to_thread(g, number(f.rsi), number(f.rdx), nullptr);
}

long on_rt_tgsigqueueinfo(green& g, syscall_frame& f) noexcept {
  if (number(f.rdi) != the_machine().main_tid) return pass_to_kernel;
  siginfo_t info;
  if (!get_user(info, pointer<siginfo_t>(f.r10))) return -EFAULT;
  return send_to_thread(g, number(f.rsi), number(f.rdx), &info);
}

long on_sigaltstack(green& g, syscall_frame& f) noexcept {
  const stack_t before = g.alternate_stack;
  const auto* base = static_cast<const char*>(before.ss_sp);
  const auto sp = reinterpret_cast<const char*>(f.user_rsp);
  const bool on_it = !(before.ss_flags & SS_DISABLE) && sp > base && sp <= base + before.ss_size;
  if (f.rdi) {
    stack_t next;
    if (!get_user(next, pointer<stack_t>(f.rdi))) return -EFAULT;
    if (on_it) return -EPERM;
    const int mode = next.ss_flags & ~autodisarm;
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) return -EINVAL;
    if (mode == SS_DISABLE)
      next = {nullptr, SS_DISABLE, 0};
    else if (next.ss_size < std::size_t{2048})
      return -ENOMEM;
    else
      next.ss_flags &= ~SS_ONSTACK;
    // Once there are threads the kernel knows the worker's.
    if (!g.on->has_signal_stack) raw_syscall(SYS_sigaltstack, &next, nullptr);
    g.alternate_stack = next;
  }
  if (f.rsi) {
    stack_t shown = before;
    if (on_it) shown.ss_flags |= SS_ONSTACK;
    if (!put_user(pointer<stack_t>(f.rsi), shown)) return -EFAULT;
  }
  return 0;
}

constexpr call_entry entries[] = {
    {SYS_rt_sigaction, virtual_when::always, on_rt_sigaction},
    {SYS_rt_sigprocmask, virtual_when::always, on_rt_sigprocmask},
    {SYS_rt_sigpending, virtual_when::active, on_rt_sigpending},
    {SYS_pause, virtual_when::active, on_pause},
    {SYS_rt_sigsuspend, virtual_when::always, on_rt_sigsuspend},
    {SYS_rt_sigtimedwait, virtual_when::active, on_rt_sigtimedwait},
    {SYS_kill, virtual_when::active, on_kill},
    {SYS_rt_sigqueueinfo, virtual_when::active, on_rt_sigqueueinfo},
    {SYS_tkill, virtual_when::active, on_tkill},
    {SYS_tgkill, virtual_when::active, on_tgkill},
    {SYS_rt_tgsigqueueinfo, virtual_when::active, on_rt_tgsigqueueinfo},
    {SYS_sigaltstack, virtual_when::always, on_sigaltstack},
};

} // namespace

const call_family signal_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch
