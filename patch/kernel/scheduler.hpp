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
void prepare_park(green& g) noexcept;

/// Runs others until `unpark(g)`, `deadline`, or, if `interruptible`, until a signal is
/// pending that g does not block. Says which came first.
wakeup park(green& g, core::nanoseconds deadline, park_reason reason, bool interruptible) noexcept;

/// Ends g's wait with `why`; returns false if it had ended, or not begun.
bool unpark(green& g, wakeup why) noexcept;

/// Lets every other ready thread run, and events be looked at.
void yield(green& g) noexcept;

/// Has the worker look at events before it runs the next thread.
void look_for_events(green& g) noexcept;

/// Puts a thread that never ran into the ready queue.
void launch(green& g) noexcept;

/// Leaves g, which has exited, for ever. Its exit is made known once its stack is free.
[[noreturn]] void leave(green& g) noexcept;

/// Makes the worker's own context. Done when the second green thread is made.
bool prepare_worker(worker& w) noexcept;

/// In a fork's child: only `g` is left.
void reset_scheduler_after_fork(green& g) noexcept;

} // namespace weft::patch
