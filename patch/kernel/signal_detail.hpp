// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/syscall.h>
#include <ucontext.h>

#include "patch/kernel/monitor.hpp"
#include "patch/kernel/signals.hpp"
#include "patch/sites/raw_syscall.hpp"

/// What the files of the signal model share among themselves.
namespace weft::patch {

inline constexpr std::uint64_t every_signal = ~std::uint64_t{0};
inline constexpr std::uint64_t unblockable = signal_bit(SIGKILL) | signal_bit(SIGSTOP);

/// What a wrong address of the program's arrives as when weft follows it (user_memory.hpp). The
/// kernel has a handler of ours for these whatever the program's disposition, and while weft
/// answers calls no mask holds them back: to block a fault is to die of it.
inline constexpr std::uint64_t access_faults = signal_bit(SIGSEGV) | signal_bit(SIGBUS);

[[nodiscard]] inline bool is_ignored_by_default(int signal) noexcept {
  return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT;
}

/// Whether the program hears nothing of `signal`, unless the thread that it is for blocks it.
[[nodiscard]] inline bool is_ignored(const signal_state::action& a, int signal) noexcept {
  return a.handler == reinterpret_cast<void*>(SIG_IGN) ||
         (a.handler == reinterpret_cast<void*>(SIG_DFL) && is_ignored_by_default(signal));
}

[[nodiscard]] inline bool is_caught(const signal_state::action& a) noexcept {
  return a.handler != reinterpret_cast<void*>(SIG_DFL) &&
         a.handler != reinterpret_cast<void*>(SIG_IGN);
}

inline void set_kernel_mask(std::uint64_t mask) noexcept {
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof mask);
}

/// A context's mask: the kernel's is 8 bytes, glibc's type has room for 128.
[[nodiscard]] inline std::uint64_t& mask_of(ucontext_t& context) noexcept {
  return *reinterpret_cast<std::uint64_t*>(&context.uc_sigmask);
}

/// Whether `sp` lies on the alternate stack that g has set.
[[nodiscard]] bool on_alternate_stack(const green& g, const void* sp) noexcept;

/// The timer that sent the signal if it is for one thread, else null. One that is deleted is for a
/// thread that there is not.
[[nodiscard]] const thread_timer* timer_of(const siginfo_t& info) noexcept;

/// If a timer sent what is now taken: how often it expired meanwhile goes into `info`, and is what
/// timer_getoverrun tells.
void note_timers_signal(siginfo_t& info) noexcept;

/// Timers are not inherited.
void forget_timers() noexcept;

/// Takes the next signal of `among` that is pending for g, its own before the process's.
[[nodiscard]] bool next_signal(green& g, std::uint64_t among, siginfo_t& info) noexcept;

/// Does what is to be done about a signal of g's, the caller's: handler, default action, or
/// nothing. Says whether a handler ran.
bool take_signal(green& g, siginfo_t& info, ucontext_t& context) noexcept;

/// Something is pending that g does not block, or waits for: ends its wait, or its call of the
/// kernel's.
void tell_of_pending(green& g) noexcept;

/// Makes the signal that arrived while `current` ran pending for whom it is for.
void find_taker(const siginfo_t& info, green& current) noexcept;

/// Has the kernel call on_signal for SIGURG, which is how the monitor reaches a worker, whatever
/// the program thinks of that signal.
void take_over_errands() noexcept;
/// Has the kernel keep `info` for the process. 0 or -errno (-EAGAIN: as much is pending as may be).
/// Only the initial kernel thread may pass on what another process has sent just as it came: on
/// others that is shown as queued (SI_QUEUE), by the same sender.
long queue_in_kernel(const siginfo_t& info) noexcept;

/// A signalfd tells only of what is pending in the kernel, and a worker may have let in what it did
/// not know that all threads block by then: once all workers know that, it goes back. Until then it
/// is kept in order.
void show_pending_to_descriptors() noexcept;

/// Whether a signal is the monitor's, or another thread's of weft's; `what` is then its errand.
[[nodiscard]] bool is_errand(const siginfo_t& info, errand& what) noexcept;

/// From now on the kernel calls on_signal for these.
void guard_signals(std::uint64_t set) noexcept;

/// The reverse, where only one thread is left: the kernel makes its calls, and a signal that comes to us
/// for nothing would end them.
void unguard_signals() noexcept;

/// Whether it is the user's wish to see all threads, and none of the program's signals.
[[nodiscard]] bool asks_for_dump(int signal) noexcept;

/// What the kernel calls for every signal that the program catches.
void on_signal(int signal, siginfo_t* info, void* context) noexcept;

} // namespace weft::patch
