// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/core/list.hpp"
#include "weft/detail/inbox_item.hpp"
#include "weft/detail/state.hpp"

namespace weft {
struct spawn_options;
}

namespace weft::detail {

/// A fiber made on one thread to run on another: by spawn_on, or by spawn_any, whose hub is not
/// known before one takes it. `home` is null for all its life, since that tells which lock and
/// counts are its handles', and those may not change while others use them. A hub that has taken it
/// runs it like any other fiber, and has it in a list, as it is in no hub's pool of blocks.
struct homeless_fiber : state, inbox_item, core::list_hook<> {
  /// Null: nobody has taken it yet. Set once, under the state's lock; valid until it is done.
  std::atomic<hub*> runs_on{nullptr};
  std::uint32_t asked_stack_class = 0; // 0: the usual
  bool light = false;                  // no identity of its own
  bool of_cleanup = false;             // made by one that was told to end, and knows
};

/// Of a state that is a fiber.
inline homeless_fiber& homeless(state& s) noexcept {
  return static_cast<homeless_fiber&>(s);
}

/// Which hub runs the fiber; null: none yet. Any thread; what it points to may be gone soon, unless
/// it is the caller's own.
inline hub* runner_of(const state& fiber) noexcept {
  if (fiber.home) return fiber.home;
  return static_cast<const homeless_fiber&>(fiber).runs_on.load(std::memory_order_acquire);
}

/// Not queued anywhere yet: one count is the handle's, one the fiber's.
homeless_fiber& new_homeless_fiber(const state_type& type, const spawn_options* options);
/// Posts it to the hub that is to run it; it is cancelled if that one has ended. Any thread.
void send(homeless_fiber& fiber, hub& to) noexcept;
/// One that was never taken is at its end. Any thread.
void cancel_untaken(homeless_fiber& fiber) noexcept;
/// In a forked child: one that was never taken is cancelled, and nobody is told.
void lose(homeless_fiber& fiber) noexcept;
/// The same of a message, if it is one.
void lose_if_fiber(inbox_item& item) noexcept;

} // namespace weft::detail
