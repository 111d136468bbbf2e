// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include "runtime/sched/hub.hpp"

/// Who holds a lock, as a number that no other fiber or thread ever has: a block's address comes
/// again with the next fiber, and a holder may end without unlocking.
namespace weft::detail {

using holder = std::uint64_t;
inline constexpr holder nobody = 0;

/// Of the calling thread, where no fiber runs: it has no hub, or is inside a callback.
[[nodiscard]] holder thread_holder() noexcept;

[[nodiscard]] inline holder holder_of(const state& fiber) noexcept {
  return fiber.id + 1;
}
/// The caller, on the thread of `here` (null: without a hub).
[[nodiscard]] inline holder this_holder(const hub* here) noexcept {
  if (here) [[likely]]
    if (const state* fiber = here->running()) [[likely]]
      return holder_of(*fiber);
  return thread_holder();
}
/// Whether `who` is the caller. A thread that got a hub since it locked is still the same: its own
/// fiber may unlock.
[[nodiscard]] inline bool is_caller(holder who, const hub* here) noexcept {
  if (who == this_holder(here)) [[likely]]
    return true;
  return here && here->running() == &here->thread_fiber() && who == thread_holder();
}

} // namespace weft::detail
