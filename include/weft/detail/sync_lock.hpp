// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdint>

namespace [[gnu::visibility("default")]] weft {
class hub;
}

namespace [[gnu::visibility("default")]] weft {
namespace detail {

/// The lock inside every primitive: held for a few instructions, never while a fiber parks.
/// Use it through std::unique_lock.
///
/// It belongs to the first hub that takes it, which pays two plain stores and two loads instead of
/// a locked instruction. The first other thread that comes revokes that for good, at the price of
/// one membarrier (1 to 5 us); from then on it is a futex for everybody. A primitive that
/// stays on one hub, as most do, thus costs what it would cost without threads.
class sync_lock {
 public:
  constexpr sync_lock() noexcept = default;
  sync_lock(const sync_lock&) = delete;
  sync_lock& operator=(const sync_lock&) = delete;

  void lock() noexcept;
  void unlock() noexcept {
    if (held_as_owner_) [[likely]]
      leave();
    else
      unlock_word();
  }

  /// Locks if that costs nothing, on the hub that owns it; `here` is the calling thread's hub.
  /// Inline, in runtime/sync/sync_lock.hpp.
  bool enter(hub* here) noexcept;
  /// Unlocks after `enter`.
  void leave() noexcept { inside_.store(false, std::memory_order_release); }

 private:
  void lock_slowly(hub* here) noexcept;
  void lock_word() noexcept;
  void unlock_word() noexcept;
  void revoke() noexcept;

  std::atomic<hub*> owner_{nullptr}; // null: nobody came yet; `shared`: revoked
  std::atomic<bool> inside_{false};  // the owner is; written by it alone
  bool held_as_owner_ = false;       // by whoever holds the lock
  std::atomic<std::uint32_t> word_{0};
};

} // namespace detail
} // namespace weft
