// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "runtime/sched/hub.hpp"
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

} // namespace weft::detail
