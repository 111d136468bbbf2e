// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "runtime/sched/deliverable.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/thread_wait.hpp"
#include "weft/detail/wait_list.hpp"

/// The shortest paths of waiting and waking, inline for the primitives.
namespace weft::detail {

/// A waiter on the thread of `here` (null: without a hub). Throws inside a callback.
inline waiter waiter_on(hub* here) {
  return {here, here ? &here->running_or_throw() : nullptr};
}

/// On its own hub's thread.
inline void resume_at_home(waiter& w) noexcept {
  w.fired.store(1, std::memory_order_relaxed);
  if (w.parked) w.home->unpark(*w.fiber);
}

/// `resume`, on the thread of `here`.
inline void resume_from(hub* here, waiter& w) noexcept {
  if (here && w.home == here) [[likely]]
    resume_at_home(w);
  else
    resume(w);
}

/// Parks the fiber of `w`, until `w` is woken or as `hub::park` says.
inline wake park_in(waiter& w, core::nanoseconds until, blocking_call call, const state* waited_for,
                    bool interruptible) {
  w.parked = true;
  const wake how = w.home->park(until, call, waited_for, interruptible);
  w.parked = false;
  return how;
}

inline waited waited_of(wake how) noexcept {
  static_assert(int(wake::woken) == int(waited::woken) &&
                int(wake::timed_out) == int(waited::timed_out) &&
                int(wake::interrupted) == int(waited::interrupted));
  return static_cast<waited>(how);
}

/// Out of the list, with the lock held again; or it was taken, and waits until it is woken.
waited leave(std::unique_lock<sync_lock>& held, wait_list& list, waiter& w, waited how,
             blocking_call call);

/// `wait_in`.
inline waited wait_in_place(std::unique_lock<sync_lock>& held, wait_list& list, waiter& w,
                            std::int64_t until, blocking_call call, bool interruptible = true,
                            const state* waited_for = nullptr) {
  if (w.home && interruptible && w.fiber->has(interrupt_requested)) [[unlikely]]
    if (may_throw_here()) {
      list.remove(w);
      return waited::interrupted;
    }
  if (until == 0) {
    list.remove(w);
    return waited::timed_out;
  }
  held.unlock();
  if (!w.home) {
    if (wait_on_thread(w.fired, until)) return waited::woken;
    return leave(held, list, w, waited::timed_out, call);
  }
  const waited how = waited_of(park_in(w, until, call, waited_for, interruptible));
  if (how == waited::woken) [[likely]]
    return how;
  return leave(held, list, w, how, call);
}

} // namespace weft::detail
