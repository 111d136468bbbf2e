// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/core/clock.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"

/// Waiting for one state.
namespace weft::detail {

/// A fiber that waits for one state.
struct fiber_waiter : completion {
  fiber_waiter(hub& h, state& self) noexcept : fiber(&self) {
    home = &h;
    deliver = [](inbox_item& item) noexcept {
      auto& waiter = static_cast<fiber_waiter&>(item);
      waiter.fired = true;
      waiter.home->unpark(*waiter.fiber);
    };
  }

  state* fiber;
  bool fired = false;
};

[[noreturn]] void throw_waits_for_itself(const state& self);
/// Throws deadlock_error if `self` is what is to be waited for.
inline void refuse_own_fiber(const state& self, const state& waited_for) {
  if (&self == &waited_for) [[unlikely]]
    throw_waits_for_itself(self);
}

/// On a thread without a hub.
bool wait_without_hub(state& s, core::nanoseconds until);

struct passed_on {
  bool done;
  /// Something is to be thrown here: hub::throw_interrupt. Left pending otherwise.
  bool interrupted;
};

/// As `wait_done`, but whoever asks this fiber to end (cancellation, a time-out scope) cancels `s`
/// and lets the fiber wait on, each time anew. Not interruptible: waits come what may.
passed_on wait_passing_on(state& s, core::nanoseconds until, blocking_call call,
                          bool interruptible = true);

} // namespace weft::detail
