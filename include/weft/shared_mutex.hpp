// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include <weft/deadline.hpp>
#include <weft/detail/wait_list.hpp>

namespace [[gnu::visibility("default")]] weft {

/// A lock that many may share or one may hold alone: readers and writers. Model:
/// std::shared_timed_mutex, whose named requirements it meets (std::shared_lock and unique_lock
/// work with it).
///
///     weft::shared_mutex lock;
///     std::string text;
///     auto writer = weft::spawn([&] {
///       std::unique_lock alone(lock);
///       text = "written";
///     });
///     auto reader = weft::spawn([&] {
///       std::shared_lock shared(lock);
///       return text.size();
///     });
///
/// - FIFO and fair to both: who asks while somebody waits waits behind, readers behind a waiting
///   writer too. So neither starves; and who holds it shared and asks for it once more may wait
///   for ever, for a writer that waits for the first to end.
/// - `unlock` hands it to the oldest writer, or to all readers up to the next writer.
/// - Waiting parks the fiber, or blocks a thread without a hub; not waiting is no switch point.
///   A waiter that is cancelled or times out lets those behind it move up.
/// - Inside a callback the try_ and unlocking calls may be called; those that lock throw
///   std::logic_error where they would have to wait.
/// - Its sole holder is known, as a mutex's is; those who share it are only counted, and any fiber
///   or thread may give a share back. Constant-initialised: may be static.
class shared_mutex {
 public:
  constexpr shared_mutex() noexcept = default;
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;
  ~shared_mutex() = default;

  /// Waits until it is the caller's alone. A switch point if it has to wait: then it throws what
  /// was requested of the fiber, and nothing is held. If the caller holds it alone already:
  /// std::system_error, resource_deadlock_would_occur.
  void lock() { lock_until(INT64_MAX); }
  /// The same until `limit`; says whether it is held.
  [[nodiscard]] bool lock(deadline limit) { return lock_until(limit.absolute()); }
  /// Without waiting: false if anybody holds it.
  [[nodiscard]] bool try_lock() noexcept;
  /// Never blocks, no switch point. If the caller does not hold it alone: std::system_error,
  /// operation_not_permitted.
  void unlock();

  /// Waits until the caller has a share. The rest as for `lock`.
  void lock_shared() { lock_shared_until(INT64_MAX); }
  [[nodiscard]] bool lock_shared(deadline limit) { return lock_shared_until(limit.absolute()); }
  /// Without waiting: false if somebody holds it alone or waits for it.
  [[nodiscard]] bool try_lock_shared() noexcept;
  /// Gives a share back. Never blocks, no switch point. If nobody has one: std::system_error,
  /// operation_not_permitted.
  void unlock_shared();

  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> span) {
    return lock(span);
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> point) {
    return lock(point);
  }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_shared_for(std::chrono::duration<Rep, Period> span) {
    return lock_shared(span);
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_shared_until(std::chrono::time_point<Clock, Duration> point) {
    return lock_shared(point);
  }

 private:
  bool lock_until(std::int64_t until);
  bool lock_shared_until(std::int64_t until);
  bool wait_for_it(std::unique_lock<detail::sync_lock>& held, detail::waiter& w, std::int64_t until,
                   detail::blocking_call call);
  detail::waiter* hand_over() noexcept;
  void refuse_holder() const;

  detail::sync_lock lock_;
  std::uint64_t holder_ = 0; // alone
  std::size_t shares_ = 0;
  detail::wait_list waiters_;
};

/// `shared_mutex` has the timed calls.
using shared_timed_mutex = shared_mutex;

} // namespace weft
