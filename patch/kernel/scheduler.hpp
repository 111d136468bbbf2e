// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/green.hpp"
#include "patch/kernel/statistics.hpp"
#include "runtime/core/clock.hpp"

/// Who runs next. The one way to wait in the patch is `park`, the one way to end a wait
/// `unpark`; both belong to the green thread that waits, not to what it waits for.
namespace weft::patch {

/// Announces that `g`, the caller, is about to park: an `unpark` from here on is not lost.
/// Done before the waiter is put where a waker can find it.
inline void prepare_park(green& g) noexcept {
  g.why = wakeup::none;
}

/// Runs others until `unpark(g)`, `deadline`, or, if `interruptible`, until a signal is
/// pending that g does not block. Says which came first.
wakeup park(green& g, core::nanoseconds deadline, park_reason reason, bool interruptible) noexcept;

/// Ends g's wait with `why`; returns false if it had ended, or not begun.
bool unpark(green& g, wakeup why) noexcept;

/// Lets every other ready thread run, and events be looked at.
void yield(green& g) noexcept;

/// The same for one that has kept the processor for long, and has events looked at.
void give_way(green& g) noexcept;

/// Has the worker look at events before it runs the next thread.
void look_for_events(green& g) noexcept;

/// Puts a thread that never ran into the ready queue.
void launch(green& g) noexcept;

/// Makes the context in which a fiber that never ran begins.
void prepare_fiber(green& g) noexcept;

/// Leaves g, which has exited, for ever. Its exit is made known once its stack is free.
[[noreturn]] void leave(green& g) noexcept;

/// The scheduler's stack, guard included. It never runs the program's code.
inline constexpr std::size_t idle_stack_size = 64 * 1024;

/// Makes the context of the worker on the initial kernel thread. Done when the second green
/// thread is made.
bool prepare_worker(worker& w) noexcept;

/// What a worker's own context does, for ever: runs what is ready, else waits for events. The
/// beginning of every other worker, which has no processor yet.
[[noreturn]] void work(worker& w) noexcept;

/// Whether all workers but the caller's are asleep, or soon will be. Tells the one that waits for
/// events to.
[[nodiscard]] bool are_others_asleep() noexcept;

/// g, the caller, came back from the kernel on a worker that has lost the processor meanwhile.
/// Returns when g is scheduled again, perhaps on another worker.
void wait_for_turn(green& g) noexcept;

/// In a fork's child: only `g` is left.
void reset_scheduler_after_fork(green& g) noexcept;

} // namespace weft::patch
