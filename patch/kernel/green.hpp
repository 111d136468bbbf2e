// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <linux/futex.h>
#include <signal.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "patch/kernel/signal_queue.hpp"
#include "patch/kernel/statistics.hpp"
#include "patch/sites/entry.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/context/context.hpp"
#include "runtime/core/list.hpp"
#include "runtime/core/reactor.hpp"
#include "runtime/core/timer_wheel.hpp"

namespace weft::patch {

struct worker;
struct processor;

/// Why a parked green thread runs again. The first cause wins; later ones are lost on
/// purpose (each is a condition that the woken one looks at again).
enum class wakeup : std::uint8_t {
  none,    // running, or about to park
  parked,  // its context is saved; may be put into a ready queue
  event,   // what it waited for came
  timeout, // its deadline passed
  signal,  // a signal that it does not block is pending
};

struct ready_tag;
struct all_tag;
struct tid_tag;
struct woken_tag;
struct fiber_host;

/// One futex wait, in a bucket of the futex table while it waits.
struct futex_waiter : core::list_hook<> {
  std::uint32_t* word = nullptr;
  std::uint32_t bitset = 0;
  bool wants_lock = false;       // FUTEX_LOCK_PI: the waker hands the lock over
  std::uint32_t* lock = nullptr; // FUTEX_WAIT_REQUEUE_PI: what it will be moved to
  struct green* thread = nullptr;
};

/// What calls that wait for a descriptor, and switches, look at, in three neighbouring lines: with
/// thousands of threads each comes back to cold ones. The entry stub reads the first members.
struct alignas(64) turn_state : entry_state, core::list_hook<ready_tag> {
  // Scheduling.
  core::context suspended = nullptr; // valid while parked or ready
  worker* on = nullptr;              // where it runs, or ran last
  worker* bound = nullptr;           // the kernel thread of its own, if it has one
  void* thread_pointer = nullptr;    // FS base
  /// The registers of the patched call that it is in, or was in last: for who looks at threads from
  /// outside (dump, gdb), too.
  syscall_frame* call = nullptr;

  /// Set while a handler of weft's runs for this thread: a signal that arrives then is
  /// recorded by the worker and acted upon when the handler is done, as kernels do.
  volatile bool in_kernel = false;
  wakeup why = wakeup::none;
  park_reason reason = park_reason::io;
  bool interruptible = false; // a signal may end the park
  bool urgent = false;        // to be run before those that are ready
  bool had_its_share = false; // not to be run again before all others
  bool exited = false;
  bool refused = false; // the hub has asked its call to end
  bool restore_blocked = false;
  bool has_call_mask = false;
  bool keeps_waiting = false; // though a descriptor that it waits for is closed: poll, select
  /// It made a process that goes on beside it in this memory and with this TLS (CLONE_VM without
  /// CLONE_VFORK): what seems to be this thread may be that one.
  bool has_double = false;
  bool call_restarted = false;
  unsigned calls_at_once = 0; // that did not have to wait, since others were given a turn
  void* fiber = nullptr;      // the hub's (fibers.hpp); null: it is no fiber

  // Signals: bit n-1 is signal n, as in the kernel's own sigset.
  std::uint64_t blocked = 0;
  signal_queue pending;

  /// Of a wait for one descriptor. Not on the stack, whose page is then touched in its turn only,
  /// and not when its event is harvested.
  core::io_waiter waiting_for_io;
};

/// A green thread as the kernel keeps a task: everything that the program's threads
/// believe to be theirs and that the worker's kernel thread does not hold for them.
struct green : turn_state,
               core::list_hook<all_tag>,
               core::list_hook<tid_tag>,
               core::list_hook<woken_tag>,
               core::timer {
  // Scheduling.
  processor* last = nullptr;      // where it ran last, if there are several
  std::uint64_t ready_as = 0;     // which of all that became ready it was (processor_set::arrivals)
  std::uint64_t turn_begun = 0;   // and since when, by the time-stamp counter
  std::uint64_t turn = 0;         // how long it runs at a time, on average
  green* next_returned = nullptr; // in machine::returned
  bool started = false;
  bool shows_itself = false; // it was running elsewhere when all were shown (machine::show)

  // Of a hub (fibers.hpp).
  fiber_host* host = nullptr; // that it lives in, or whose own thread it is

  const syscall_frame* native_frame = nullptr;
  long native_number = 0;        // of the call that the kernel makes for it, or made last
  bool waits_natively = false;   // that call is to wait for others
  bool ended_by_handler = false; // a signal's, is the call that the kernel makes for it
  std::atomic<unsigned>* counted_in = nullptr; // of machine's counts of such calls

  std::uint64_t spawn_flags = 0; // clone's, of the process that it makes, or made last
  bool spawning = false;         // the kernel is about to make it: others may not run meanwhile

  core::nanoseconds cpu_time = 0; // used until it last left a worker, if that is counted

  // Identity.
  pid_t tid = 0;
  char name[16] = {}; // PR_SET_NAME
  std::uint32_t* clear_child_tid = nullptr;
  robust_list_head* robust_list = nullptr;

  // Signals.
  std::uint64_t waits_for = 0;      // sigtimedwait's set while parked there
  std::uint64_t saved_blocked = 0;  // what sigsuspend, ppoll, ... will put back
  bool interrupted_without = false; // a signal found it while its worker had no processor
  std::uint64_t call_mask = 0;      // what the kernel blocks during the call that is left to it
  stack_t alternate_stack{nullptr, SS_DISABLE, 0};

  // A call that restarts keeps the deadline it computed the first time.
  core::nanoseconds call_deadline = 0;

  core::nanoseconds since = 0; // it has been parked, if that is asked for

  futex_waiter waiting_for{};
  syscall_frame* first_frame = nullptr; // registers to begin with
};

} // namespace weft::patch
