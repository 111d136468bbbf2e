// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>

#include <weft/mutex.hpp>

namespace [[gnu::visibility("default")]] weft {

/// A mutex that its holder may lock again; it is free after as many unlocks. Model:
/// std::recursive_timed_mutex, gevent.lock.RLock, threading.RLock. All that is said of `mutex`
/// holds, but that locking one's own is no error.
///
///     weft::recursive_mutex lock;
///     std::lock_guard outer(lock);
///     std::lock_guard inner(lock);  // the same fiber
class recursive_mutex {
 public:
  constexpr recursive_mutex() noexcept = default;
  recursive_mutex(const recursive_mutex&) = delete;
  recursive_mutex& operator=(const recursive_mutex&) = delete;
  ~recursive_mutex() = default;

  /// Waits until it is the caller's, if it is another's. A switch point if it has to wait. Locked
  /// 2^32 - 1 times already: std::system_error, resource_unavailable_try_again.
  void lock() { lock_until(INT64_MAX); }
  /// The same until `limit`; says whether it is held.
  [[nodiscard]] bool lock(deadline limit) { return lock_until(limit.absolute()); }
  /// Without waiting: false if another holds it.
  [[nodiscard]] bool try_lock() noexcept;

  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> span) {
    return lock(span);
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> point) {
    return lock(point);
  }

  /// Takes back one `lock`; the last hands it to whoever has waited longest. Never blocks, no
  /// switch point. If the caller does not hold it: std::system_error, operation_not_permitted.
  void unlock();

 private:
  bool lock_until(std::int64_t until);

  mutex mutex_;
  std::uint32_t depth_ = 0; // of the holder
};

/// `recursive_mutex` has the timed calls.
using recursive_timed_mutex = recursive_mutex;

} // namespace weft
