// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <errno.h>
#include <signal.h>

#include <cstdint>

#include "patch/kernel/green.hpp"
#include "patch/kernel/signal_counts.hpp"

/// Signals, as a model first:
///
/// - A green thread has a mask (`blocked`) and a set of pending signals directed at it. What
///   is pending for the process stays in the kernel while all threads block it, but for what
///   some thread's mask let in and that nobody would take any more when it was looked at.
/// - The kernel's mask of a worker is the intersection of all green threads' masks: what
///   any of them would take may come in. Added to it is what some thread waits for in
///   sigtimedwait: that stays pending in the kernel, where the waiter fetches it.
/// - Every handler of the program's is registered in the kernel as `on_signal`. It arrives
///   (a) in the program's code of a thread that does not block it: the handler runs there and
///   then, as natively; (b) in that of a thread that blocks it: another one is chosen;
///   (c) in weft's code: it is kept in the worker's one place (the kernel holds back further
///   ones) and looked at when the call is done, or by the polling worker.
/// - A thread that is not running is inside a patched call. A signal made pending for it ends
///   its park if that is interruptible, and the handler runs when it leaves the call, on its
///   own stack, with the registers of the call as context.
namespace weft::patch {

struct worker;

/// sigaltstack's SS_AUTODISARM.
inline constexpr int autodisarm = static_cast<int>(1u << 31);

/// A timer_create whose signal is for one thread (SIGEV_THREAD_ID). The kernel sends it to the
/// process; it is told from others by its number in the siginfo.
struct thread_timer : core::list_hook<> {
  int id;
  int signal;
  pid_t tid;
  int overrun = 0; // of the last signal that was taken
};

/// Dispositions and the masks' bookkeeping.
struct signal_state {
  /// What the program asked for, as rt_sigaction's kernel structure.
  struct action {
    void* handler = nullptr; // or SIG_DFL, SIG_IGN
    std::uint64_t flags = 0;
    void* restorer = nullptr;
    std::uint64_t mask = 0;
  };
  static constexpr int count = 64;

  action actions[count + 1];
  signal_counts blocked;       // how many green threads block each
  signal_counts awaited;       // how many wait for it in sigtimedwait
  bool has_descriptor = false; // the program made a signalfd
  int waiter_descriptor = -1;  // signalfd of all that is awaited
  signal_queue pending;        // for the process: whoever does not block it takes it
  core::list<thread_timer> timers;
  /// Signals that some thread has blocked, where several workers run: they come to us whatever the
  /// program does with them, since a worker may learn late that it is to hold them back.
  std::uint64_t guarded = 0;
  /// What the main thread blocks: the kernel keeps that for the process though it be ignored.
  std::uint64_t blocked_by_main = 0;
  std::uint64_t timed = 0; // signals of these: let in whoever blocks them, to reach the right one

  void add(green& g) noexcept;
  void remove(green& g) noexcept;
  /// What workers must block.
  [[nodiscard]] std::uint64_t worker_mask() const noexcept;
  void reset_after_fork(green& g) noexcept;
};

/// Makes `mask` what g blocks, and tells the kernel if that changes what workers block.
void set_blocked(green& g, std::uint64_t mask) noexcept;

/// The same for g blocking everything for a moment, as libc does around pthread_create and at a
/// thread's end. The kernel is not told to hold back more: to block and let in again would cost two
/// of its calls. What arrives meanwhile is pending with us, or acts by default a moment earlier.
void block_all_briefly(green& g) noexcept;

/// Gives the worker's kernel thread, the caller, its own alternate signal stack.
void prepare_signal_stack(worker& w) noexcept;

/// Tells the kernel the worker's mask, whatever it was.
void apply_worker_mask(worker& w) noexcept;

/// Puts what is pending with us into the kernel, where g, the only thread left, will look
/// for it once its calls are not ours any more.
void hand_pending_to_kernel(green& g) noexcept;

/// The reverse, when g, the caller, gets company: what is pending for it alone must not be found
/// by others.
void take_pending_from_kernel(green& g) noexcept;

/// Whether something is pending for g that it does not block.
[[nodiscard]] inline bool signal_is_deliverable(const green& g) noexcept; // machine.hpp

/// What became of pending signals when a call ended.
struct delivery {
  bool handled = false;    // at least one handler ran
  bool may_restart = true; // all that ran have SA_RESTART
};
/// Runs the handlers of all that is deliverable to g, the caller. `frame` is its call.
delivery deliver_signals(green& g, syscall_frame& frame) noexcept;
/// The same for a thread that has not begun.
void deliver_before_first_instruction(green& g) noexcept;

/// Makes a signal pending for g, waking it if that ends its park. What is ignored is dropped.
void send_signal(green& g, const siginfo_t& info) noexcept;

/// kill and sigqueue by g, the caller, to its own process, where several workers run: natively the
/// signal has arrived when the call returns, and through the kernel it would come to another worker
/// some time later.
void send_to_own_process(green& g, const siginfo_t& info) noexcept;

/// Begins weft's part of a call of g's, the caller, or of a signal's arrival.
inline void enter_weft(green& g) noexcept; // machine.hpp
/// Ends it: from here on signals find g in the program's own code. What arrived until now is
/// pending for somebody.
inline void leave_weft(green& g) noexcept; // machine.hpp
/// The rest of that if a signal arrived.
void leave_weft_again(green& g) noexcept;

/// Finds a thread for the signal that arrived in weft's code on this worker, if one did.
void route_arrived_signal(worker& w) noexcept;

/// rt_sigaction. 0 or -errno; pointers may be null.
long change_action(int signal, const signal_state::action* next,
                   signal_state::action* previous) noexcept;

/// sigtimedwait: takes one of `set` that is pending for g or the process.
long wait_for_signal(green& g, std::uint64_t set, siginfo_t* info,
                     core::nanoseconds deadline) noexcept;

/// From now on the signal of timer `id` is for thread `tid`. -EAGAIN if there is no memory.
long keep_timer(green& g, int id, int signal, pid_t tid) noexcept;
void forget_timer(green& g, int id) noexcept;
[[nodiscard]] thread_timer* find_timer(int id) noexcept;
/// What is pending of timer `id`, for `tid` or the process, is not to be taken any more: it is
/// deleted, or was set anew. As in Linux since 6.13.
void drop_timers_signals(int id, pid_t tid) noexcept;

/// Makes a raw write of g's, the caller, with its own mind about SIGPIPE: the kernel sends
/// that to the worker, which may well not block it.
bool hold_back_broken_pipe(green& g) noexcept; // false: the worker blocks it anyway
void take_broken_pipe(green& g) noexcept;
void let_broken_pipe_through(green& g) noexcept;
template <class Write>
long writing(green& g, Write&& write) noexcept {
  if (!(g.blocked & signal_bit(SIGPIPE))) return write();
  const bool held = hold_back_broken_pipe(g);
  const long result = write();
  if (result == -EPIPE) take_broken_pipe(g);
  if (held) let_broken_pipe_through(g);
  return result;
}

/// Signals that weft handles although the program ignores them are told to the kernel as ignored,
/// or not: a process made by it or a program that it becomes inherits that.
void show_own_handling(bool shown) noexcept;

/// Reads what was ignored, caught and blocked at start.
void adopt_signal_state(green& main) noexcept;

/// Ends or stops the process as the default action of `signal` does.
void take_default_action(int signal) noexcept;

} // namespace weft::patch
