// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include <weft/deadline.hpp>
#include <weft/detail/wait_list.hpp>

namespace [[gnu::visibility("default")]] weft {

/// A number that is counted down once, and can be waited for. Model: std::latch, whose interface
/// it has; Go's WaitGroup.
///
///     weft::latch ready(2);
///     auto server = weft::spawn([&] { ready.count_down(); });
///     auto client = weft::spawn([&] { ready.count_down(); });
///     ready.wait();
///
/// - Waiting parks the fiber, or blocks a thread without a hub; not waiting is no switch point.
///   Who waits is woken in the order of arrival.
/// - `count_down` and `try_wait` may be called anywhere, inside callbacks too; `wait` inside a
///   callback throws std::logic_error where it would have to wait.
/// - Any thread may call everything. Constant-initialised: may be static. Whose `wait` has returned
///   because it was at 0 may destroy it, even if the last `count_down` has not returned yet on its
///   thread; who only looked by `try_wait` may not.
class latch {
 public:
  /// Less than 0: std::invalid_argument.
  constexpr explicit latch(std::ptrdiff_t count) : left_(count) {
    if (count < 0) throw std::invalid_argument("weft: a latch cannot begin with less than 0");
  }
  latch(const latch&) = delete;
  latch& operator=(const latch&) = delete;
  ~latch() = default;

  [[nodiscard]] static constexpr std::ptrdiff_t max() noexcept { return PTRDIFF_MAX; }

  /// Counts down by `by`; at 0 all who wait are woken. Never blocks, no switch point. Less than 0:
  /// std::invalid_argument; more than are left: std::logic_error. What was written before is seen
  /// by those who wait.
  void count_down(std::ptrdiff_t by = 1);
  /// Whether it is at 0.
  [[nodiscard]] bool try_wait() const noexcept {
    return left_.load(std::memory_order_acquire) == 0;
  }

  /// Waits until it is at 0, if it is not. A switch point if it has to wait.
  void wait() { wait_until(INT64_MAX); }
  /// The same until `limit`; says whether it is at 0.
  [[nodiscard]] bool wait(deadline limit) { return wait_until(limit.absolute()); }

  /// `count_down(by)` and `wait()`. Cancelled while it waits, it has counted down all the same.
  void arrive_and_wait(std::ptrdiff_t by = 1) {
    count_down(by);
    wait();
  }

 private:
  bool wait_until(std::int64_t until);

  detail::sync_lock lock_;
  std::atomic<std::ptrdiff_t> left_; // written under lock_
  detail::wait_list waiters_;
};

} // namespace weft
