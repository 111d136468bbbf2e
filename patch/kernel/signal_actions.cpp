// SPDX-License-Identifier: BSL-1.0
#include <errno.h>

#include <initializer_list>
#include <utility>

#include "patch/kernel/configuration.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/signal_detail.hpp"

extern "C" void weft_signal_return();

namespace weft::patch {
namespace {

constexpr std::uint64_t restorer_flag = 0x04000000; // SA_RESTORER

/// SIGURG comes to on_signal even if the program has no handler for it.
constinit bool errands_taken_over = false;

/// Its address is what tells weft's own SIGURG from others.
constinit const char marks[2] = {};

/// What the kernel is told when the program asks for `wanted`.
signal_state::action as_registered(int signal, const signal_state::action& wanted) noexcept {
  const bool errands = signal == SIGURG && errands_taken_over;
  const bool dumps = asks_for_dump(signal);
  const bool timed = (the_machine().signals.timed & signal_bit(signal)) &&
                     wanted.handler != reinterpret_cast<void*>(SIG_IGN);
  const bool guarded = the_machine().signals.guarded & signal_bit(signal);
  const bool always = errands || dumps || timed || guarded || (access_faults & signal_bit(signal));
  if (!always && !is_caught(wanted)) return wanted;
  signal_state::action a;
  a.handler = reinterpret_cast<void*>(on_signal);
  a.flags = (wanted.flags & (SA_RESTART | SA_NOCLDSTOP | SA_NOCLDWAIT | SA_ONSTACK)) | SA_SIGINFO |
            restorer_flag;
  // What nobody catches may be a stack that is full.
  if (errands || dumps || !is_caught(wanted)) a.flags |= SA_ONSTACK;
  // To ignore this one means more than not to hear of it.
  if (signal == SIGCHLD && wanted.handler == reinterpret_cast<void*>(SIG_IGN))
    a.flags |= SA_NOCLDWAIT;
  a.restorer = reinterpret_cast<void*>(weft_signal_return);
  a.mask = every_signal;
  return a;
}

} // namespace

long change_action(int signal, const signal_state::action* next,
                   signal_state::action* previous) noexcept {
  if (signal < 1 || signal > signal_state::count) return -EINVAL;
  signal_state& s = the_machine().signals;
  const signal_state::action old = s.actions[signal];
  if (next) {
    if (unblockable & signal_bit(signal)) return -EINVAL;
    const signal_state::action kernel = as_registered(signal, *next);
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

void guard_signals(std::uint64_t set) noexcept {
  signal_state& s = the_machine().signals;
  for (std::uint64_t fresh = set & ~s.guarded & ~unblockable; fresh; fresh &= fresh - 1) {
    const int signal = __builtin_ctzll(fresh) + 1;
    s.guarded |= signal_bit(signal);
    if (signal == 32 || signal == 33) continue; // libc's own, always caught
    const signal_state::action kernel = as_registered(signal, s.actions[signal]);
    raw_syscall(SYS_rt_sigaction, signal, &kernel, nullptr, 8);
  }
}

void unguard_signals() noexcept {
  signal_state& s = the_machine().signals;
  for (std::uint64_t rest = std::exchange(s.guarded, 0); rest; rest &= rest - 1) {
    const int signal = __builtin_ctzll(rest) + 1;
    const signal_state::action kernel = as_registered(signal, s.actions[signal]);
    raw_syscall(SYS_rt_sigaction, signal, &kernel, nullptr, 8);
  }
}

bool asks_for_dump(int signal) noexcept {
  return signal == the_configuration().dump_signal;
}

void adopt_signal_state(green& main) noexcept {
  signal_state& s = the_machine().signals;
  raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &main.blocked, 8);
  for (int n = 1; n <= signal_state::count; ++n) {
    signal_state::action found;
    if (raw_syscall(SYS_rt_sigaction, n, nullptr, &found, 8) < 0) continue;
    s.actions[n] = found;
    if (is_caught(found) || asks_for_dump(n) || (access_faults & signal_bit(n)))
      change_action(n, &found, nullptr);
  }
  stack_t alternate;
  if (raw_syscall(SYS_sigaltstack, nullptr, &alternate) == 0) main.alternate_stack = alternate;
}

void show_own_handling(bool shown) noexcept {
  const std::uint64_t own = access_faults | signal_bit(SIGURG) | the_machine().signals.guarded;
  for (int signal = 1; signal <= signal_state::count; ++signal) {
    if (!(own & signal_bit(signal))) continue;
    const signal_state::action& action = the_machine().signals.actions[signal];
    if (action.handler != reinterpret_cast<void*>(SIG_IGN)) continue;
    const signal_state::action kernel = shown ? action : as_registered(signal, action);
    raw_syscall(SYS_rt_sigaction, signal, &kernel, nullptr, 8);
  }
}

void take_over_errands() noexcept {
  if (errands_taken_over) return;
  errands_taken_over = true;
  const signal_state::action kernel = as_registered(SIGURG, the_machine().signals.actions[SIGURG]);
  raw_syscall(SYS_rt_sigaction, SIGURG, &kernel, nullptr, 8);
}

void send_errand(const worker& w, errand what) noexcept {
  siginfo_t info{};
  info.si_signo = SIGURG;
  info.si_code = SI_QUEUE;
  info.si_pid = the_machine().main_tid;
  info.si_value.sival_ptr = const_cast<char*>(&marks[static_cast<int>(what)]);
  raw_syscall(SYS_rt_tgsigqueueinfo, the_machine().main_tid, w.tid.load(), SIGURG, &info);
}

bool is_errand(const siginfo_t& info, errand& what) noexcept {
  if (info.si_signo != SIGURG || info.si_code != SI_QUEUE) return false;
  for (const errand each : {errand::preempt, errand::attend}) {
    if (info.si_value.sival_ptr != &marks[static_cast<int>(each)]) continue;
    what = each;
    return true;
  }
  return false;
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

} // namespace weft::patch
