// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <ucontext.h>

#include <atomic>
#include <cstdint>
#include <new>

#include "patch/kernel/clock_deadline.hpp"
#include "patch/kernel/files_in_use.hpp"
#include "patch/kernel/futex.hpp"
#include "patch/kernel/futex_ring.hpp"
#include "patch/kernel/green.hpp"
#include "patch/kernel/kernel_lock.hpp"
#include "patch/kernel/monitor.hpp"
#include "patch/kernel/object_pool.hpp"
#include "patch/kernel/processor.hpp"
#include "patch/kernel/ring.hpp"
#include "patch/kernel/signals.hpp"
#include "patch/kernel/stacks.hpp"
#include "patch/kernel/statistics.hpp"
#include "patch/kernel/transfer_ring.hpp"
#include "patch/kernel/worker.hpp"
#include "runtime/core/list.hpp"
#include "runtime/core/reactor.hpp"
#include "runtime/core/timer_wheel.hpp"

namespace weft::patch {

/// How far the patch plays the kernel.
enum class phase : std::uint8_t {
  single, // one green thread: calls that may block go straight to the kernel
  active, // more than one: they park
};

/// All that the patch keeps for the process.
struct machine {
  machine() noexcept;

  phase now = phase::single;
  unsigned families = ~0u;                  // that are cooperative: weft_family
  const char* why_not = "it has not begun"; // the patch is at work; null: it is
  /// Told of each change: switches the calls, which lie above the kernel, and the monitor.
  void (*phase_changed)(phase now) noexcept = nullptr;

  core::list<green, all_tag> all;
  unsigned count = 0;  // members of `all`
  unsigned fibers = 0; // of those, run by hubs
  pid_t main_tid = 0;  // the thread whose tid is the process id
  object_pool<green> greens;

  kernel_lock lock; // what guards all this
  bool workers_are_chosen = false;
  processor_set processors;
  worker first;             // on the process's initial kernel thread
  worker* initial = &first; // whose kernel thread is the process's first
  /// Where one worker runs at a time, who holds the processor unless it is stuck: the initial
  /// kernel thread, which is what the kernel takes for the process when it sends signals. And in
  /// any case what alone is left when the other threads are gone.
  worker* home = &first;
  /// Threads that came back from the kernel on a worker without a processor, where there is one
  /// processor and no lock; last in, first out.
  std::atomic<green*> returned{nullptr};
  /// Somebody is about to wait, or waits, for events.
  std::atomic<bool> polling{false};
  patch::monitor monitor;
  /// Only the main thread is left: its next call ends the active phase.
  bool may_be_single = false;
  bool alone = false;           // it makes that call
  bool home_is_wanted = false;  // to run whatever thread is next
  bool counts_cpu_time = false; // of each thread: somebody asked (cpu_time.hpp)
  core::timer_wheel timers;
  settable_clocks clocks;
  core::reactor reactor;
  futex_table futexes;
  signal_state signals;
  stack_store stacks;
  patch::ring ring;
  patch::futex_ring futex_ring;
  transfer_ring transfers;
  /// Threads in calls of the kernel's that are to wait for others, and in connect.
  std::atomic<unsigned> native_waiters{0};
  std::atomic<unsigned> native_connects{0};
  files_in_use files;
  statistics stats;

  bool keep_times = false; // note in each thread since when it is parked
  /// Prints all threads; null unless a signal asks for that.
  void (*dump)(const ucontext_t* interrupted) noexcept = nullptr;
  /// Prints one that was asked to show itself (green::shows_itself); as `dump`.
  void (*show)(green& g, const ucontext_t* interrupted) noexcept = nullptr;
  /// Told of a call of the kernel's that lasted; null unless that is asked for.
  void (*slow_call)(const green& caller, const syscall_frame& call,
                    core::nanoseconds took) noexcept = nullptr;
};

/// Where that is.
extern unsigned char machine_storage[];

/// The process's one machine, made by `start` before the first patched call.
[[nodiscard]] inline machine& the_machine() noexcept {
  return *std::launder(reinterpret_cast<machine*>(machine_storage));
}

/// Makes it.
void make_machine() noexcept;

/// Whether anybody waits for what a look at events may bring.
[[nodiscard]] inline bool awaits_events(const machine& m) noexcept {
  return m.reactor.has_waiters() || m.futex_ring.has_waiters();
}

/// The green thread that is running here; null on a kernel thread that is not weft's.
[[nodiscard]] inline green* self() noexcept {
  return static_cast<green*>(weft_self);
}

// What every call does.

bool signal_is_deliverable(const green& g) noexcept {
  const std::uint64_t pending = g.pending.set() | the_machine().signals.pending.set();
  return (pending & (~g.blocked | g.waits_for)) != 0;
}

void enter_weft(green& g) noexcept {
  g.in_kernel = true;
  asm volatile("" ::: "memory");
  the_machine().lock.acquire();
}

void leave_weft(green& g) noexcept {
  if (g.on->attention.load(std::memory_order_relaxed)) [[unlikely]]
    attend(*g.on);
  the_machine().lock.release();
  g.in_kernel = false;
  asm volatile("" ::: "memory");
  if (g.on->signal_arrived) [[unlikely]]
    leave_weft_again(g);
}

} // namespace weft::patch
