// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "runtime/sched/hub.hpp"
#include "weft/detail/sync_lock.hpp"

/// The owner's way into a `sync_lock`, inline for the primitives' shortest paths.
namespace weft::detail {

inline constexpr auto sync_lock_order =
    under_tsan ? std::memory_order_seq_cst : std::memory_order_relaxed;

inline bool sync_lock::enter(hub* here) noexcept {
  if (!here || owner_.load(std::memory_order_relaxed) != here) [[unlikely]]
    return false;
  inside_.store(true, sync_lock_order);
  owner_fence();
  if (owner_.load(under_tsan ? std::memory_order_seq_cst : std::memory_order_acquire) == here)
      [[likely]] {
    held_as_owner_ = true;
    return true;
  }
  inside_.store(false, std::memory_order_release); // revoked in this moment
  return false;
}

} // namespace weft::detail
