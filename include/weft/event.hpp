// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdint>

#include <weft/deadline.hpp>
#include <weft/detail/wait_list.hpp>

namespace [[gnu::visibility("default")]] weft {

/// A flag that can be waited for. Model: gevent.event.Event, asyncio.Event, threading.Event.
///
///     weft::event ready;
///     auto server = weft::spawn([&] {
///       weft::sleep(10ms);
///       ready.set();
///     });
///     ready.wait();
///
/// - `set` wakes everybody who waits at that moment, in the order in which they came; a `clear`
///   right after it takes that back from nobody.
/// - Waiting parks the fiber, or blocks a thread without a hub; not waiting is no switch point.
/// - `set`, `clear` and `is_set` may be called anywhere, inside callbacks too; `wait` inside a
///   callback throws std::logic_error where it would have to wait.
/// - Any thread may call everything. Constant-initialised: may be static. Whose `wait` has returned
///   because it was set may destroy it, even if `set` has not returned yet on its thread; who only
///   looked by `is_set` may not.
///
/// For a value that is set once see `promise`.
class event {
 public:
  constexpr event() noexcept = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;
  ~event() = default;

  /// Sets it and wakes all who wait. Never blocks, no switch point. Again: no effect. What was
  /// written before is seen by who finds it set.
  void set() noexcept;
  /// Whoever waits from now on waits for the next `set`.
  void clear() noexcept;
  [[nodiscard]] bool is_set() const noexcept { return set_.load(std::memory_order_acquire); }

  /// Waits until it is set, if it is not. A switch point if it has to wait.
  void wait() { wait_until(INT64_MAX); }
  /// The same until `limit`; says whether it was set.
  [[nodiscard]] bool wait(deadline limit) { return wait_until(limit.absolute()); }

 private:
  bool wait_until(std::int64_t until);

  detail::sync_lock lock_;
  std::atomic<bool> set_{false}; // written under lock_
  detail::wait_list waiters_;
};

} // namespace weft
