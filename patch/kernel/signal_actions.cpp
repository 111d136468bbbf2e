// SPDX-License-Identifier: BSL-1.0
#include <errno.h>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/signal_detail.hpp"

extern "C" void weft_signal_return();

namespace weft::patch {
namespace {

constexpr std::uint64_t restorer_flag = 0x04000000; // SA_RESTORER

} // namespace

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
      kernel.mask = every_signal;
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

} // namespace weft::patch
