// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <signal.h>

#include <atomic>
#include <cstdint>

#include "patch/kernel/green.hpp"
#include "runtime/core/list.hpp"

namespace weft::patch {

struct processor;
struct preempt_stack;

/// What a worker is at, as far as the processor goes:
///
///   running   -> in_native  weft_native_call
///   in_native -> running    interrupt_native, of the worker when it is back
///   in_native -> without    hand_over, of the monitor; take_over, of a worker that is back
///   running   -> without    give_away, pass_processor, rest
///   without   -> running    wait_for_processor, given one; find_processor; rest, of the poller
///
/// Who is `without` sleeps among the spare ones until it is ordered to run, or polls. Of this there
/// are models with the same names, tests/model/processors.pml and, where there is one processor,
/// one_processor.pml: Spin tries all orders of their steps. Whoever changes a step here changes it
/// there.
enum class worker_state : std::uint32_t {
  running,   // it holds the processor
  in_native, // it holds it, but is in a call of the kernel's: the monitor may take it away
  without,   // it has none: still in that call, on its way back, or asleep
};

/// What a worker that sleeps is woken for.
enum class worker_order : std::uint32_t {
  sleep,
  run,   // the processor is yours
  exit,  // you are not needed any more
  adopt, // take over the process's credentials
};

struct spare_tag;
struct known_tag;

/// A kernel thread that runs green threads, and what belongs to it alone.
struct worker : core::list_hook<spare_tag>, core::list_hook<known_tag> {
  /// The worker's own context: polls for events when nothing is ready. A green thread
  /// only in form; it has a thread pointer of its own, since the last thread's TLS may be
  /// gone by the time that the worker polls.
  green idle;

  void* stack_top = nullptr; // idle's; null for the initial kernel thread until it has one
  bool made_to_help = false; // it is to begin with a processor that is idle then
  bool helps = false;        // it was called to an idle processor, and has found no thread yet
  bool started = false;      // it has held the processor, or is about to

  /// The thread that runs here, or `idle`.
  green* current = nullptr;

  processor* holds = nullptr; // unless it is `without`

  std::atomic<worker_state> state{worker_state::running};
  /// Counts calls of the kernel's, by which the monitor knows one that lasts.
  std::atomic<std::uint32_t> native_calls{0};

  std::atomic<worker_order> order{worker_order::sleep}; // a futex
  std::atomic<pid_t> tid{0};                            // the kernel's
  /// Zeroed by the kernel when the kernel thread has ended; a futex.
  std::uint32_t alive = 0;

  /// The thread that alone runs here, if this worker is one thread's own; `idle` when that is gone.
  green* bound = nullptr;
  /// To end as soon as it has no processor: its thread is gone, or its credentials are not the
  /// process's any more.
  bool retired = false;
  /// Its credentials are not the process's any more, and it is to take those over.
  std::atomic<bool> outdated{false};
  /// What belongs to the whole process has changed since it was last inside weft: see `attend`.
  std::atomic<bool> attention{false};

  /// Of its kernel thread's processor time, how much has been charged to green threads.
  core::nanoseconds cpu_time_counted = 0;

  /// The running thread has had its share: it yields at the end of its call.
  std::atomic<bool> preempt{false};

  /// What the kernel blocks for this kernel thread while it runs the program.
  std::uint64_t kernel_mask = 0;

  /// Set while the kernel blocks everything because a handler of weft's has just begun.
  bool kernel_blocks_all = false;

  /// The kernel's alternate signal stack of this kernel thread. The green threads' own are
  /// changed too often to tell the kernel; who is to handle a signal goes from here to its own.
  char* signal_stack = nullptr;
  static constexpr std::size_t signal_stack_size = 64 * 1024;
  bool has_signal_stack = false; // the kernel knows it

  /// On which a preempted thread lay that has gone on, perhaps not quite yet.
  preempt_stack* left_stack = nullptr;

  /// A signal that arrived in weft's own code. The kernel keeps back all further ones
  /// until it has been dealt with, so that one place is enough and none is lost.
  volatile bool signal_arrived = false;
  siginfo_t arrived;
  /// The number of one that has just found the program's code, and is not yet pending for anybody.
  std::atomic<int> arriving{0};
};

/// Makes what a worker's own context needs: a stack and TLS. False: no memory.
[[nodiscard]] bool furnish(worker& w) noexcept;

/// A worker that sleeps, to be given the processor; null if none does.
[[nodiscard]] worker* take_any_spare() noexcept;
/// The same, or a new one. Null if there can be none. For the monitor.
[[nodiscard]] worker* find_worker() noexcept;

/// Gives one back that was not needed.
void return_spare(worker& w) noexcept;

/// A new kernel thread with the caller's credentials, namespaces and so on; it sleeps.
[[nodiscard]] worker* make_worker() noexcept;
/// The same, but it takes an idle processor as soon as it runs. False: there can be none.
bool make_helper() noexcept;

/// Gives a processor to `to`, which sleeps and is nobody's spare any more.
void give_processor(processor& p, worker& to) noexcept;

/// Takes `w` out of the spare ones, if it sleeps among them.
[[nodiscard]] bool take_spare(worker& w) noexcept;

/// Sleeps until a processor is given to w, the caller, which has none. Does not return if the
/// worker is told to end. All signals are blocked meanwhile, and the lock is not held.
void wait_for_processor(worker& w) noexcept;

/// Ends w, the caller, which has given its processor away.
[[noreturn]] void exit_worker(worker& w) noexcept;

/// Ends all that sleep but the home, and waits until they are gone.
void dismiss_spares() noexcept;

/// Whether w sleeps among the spare ones.
[[nodiscard]] bool is_asleep(worker& w) noexcept;

/// Does what w, the caller, was asked to by `attention`: takes over credentials and signal mask.
void attend(worker& w) noexcept;

/// Between these nobody makes a worker, or takes or gives a spare one: while all is copied for a
/// child. The lock is held.
void keep_workers_still(bool still) noexcept;

/// From now on the processor time of each worker is noted; what they have used so far. The caller's
/// is `current`.
core::nanoseconds count_cpu_time_from_now(worker& current) noexcept;

/// Whether `signal` has come to another worker than w, the caller, and is not yet pending for whom
/// it is for.
[[nodiscard]] bool is_on_its_way(int signal, const worker& w) noexcept;

/// In a fork's child: the caller's is the only kernel thread.
void forget_workers_but(worker& w) noexcept;

} // namespace weft::patch
