// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <condition_variable>
#include <cstdint>

#include <weft/deadline.hpp>
#include <weft/detail/wait_list.hpp>

namespace [[gnu::visibility("default")]] weft {

/// Waiting for a condition on data that a lock guards. Model: std::condition_variable_any, whose
/// interface it has; asyncio.Condition, threading.Condition.
///
///     weft::mutex lock;
///     weft::condition_variable changed;
///     int apples = 0;
///     auto eater = weft::spawn([&] {
///       std::unique_lock held(lock);
///       changed.wait(held, [&] { return apples > 0; });
///       --apples;
///     });
///     {
///       std::lock_guard held(lock);
///       ++apples;
///     }
///     changed.notify_one();
///
/// - The lock may be a std::unique_lock<weft::mutex>, or anything else with `lock()` and
///   `unlock()`. It has to be held by the caller, and is held again however `wait` ends, by an
///   exception too.
/// - `notify_one` wakes whoever has waited longest. There are no spurious wake-ups, but whoever is
///   woken gets the lock in its turn: the condition may be over by then, so wait in a loop or with
///   a predicate.
/// - Each `wait` without a predicate is a switch point. A request to cancel is thrown once the
///   lock is held again; while the lock is being taken again it stays pending. Who was notified
///   before that returns as notified, and the request waits for the next switch point: so no
///   notification is lost with a waiter that is cancelled or times out.
/// - Waiting parks the fiber, or blocks a thread without a hub. Inside a callback `wait` throws
///   std::logic_error; the notifying calls never block and may be called anywhere, by any thread,
///   with or without the lock.
/// - If taking the lock again fails with an exception, std::terminate is called, as by std.
/// - Constant-initialised: may be static.
class condition_variable {
 public:
  constexpr condition_variable() noexcept = default;
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;
  ~condition_variable() = default;

  /// Wakes whoever has waited longest, if there is anybody. No switch point.
  void notify_one() noexcept;
  /// Wakes all who wait at this moment, in the order in which they came. No switch point.
  void notify_all() noexcept;

  /// Unlocks, waits until notified, locks again.
  template <class Lock>
  void wait(Lock& lock) {
    wait_until(lockable(lock), INT64_MAX);
  }
  /// The same until `limit`; says whether it was notified.
  template <class Lock>
  bool wait(Lock& lock, deadline limit) {
    return wait_until(lockable(lock), limit.absolute());
  }
  /// Waits until `condition()`, which is called with the lock held, is true.
  template <class Lock, std::predicate Condition>
  void wait(Lock& lock, Condition condition) {
    while (!condition())
      wait(lock);
  }
  /// The same until `limit`; says whether the condition is true.
  template <class Lock, std::predicate Condition>
  bool wait(Lock& lock, deadline limit, Condition condition) {
    const std::int64_t until = limit.absolute();
    while (!condition())
      if (!wait_until(lockable(lock), until)) return condition();
    return true;
  }

  template <class Lock, class Rep, class Period>
  std::cv_status wait_for(Lock& lock, std::chrono::duration<Rep, Period> span) {
    return status(wait(lock, span));
  }
  template <class Lock, class Rep, class Period, std::predicate Condition>
  bool wait_for(Lock& lock, std::chrono::duration<Rep, Period> span, Condition condition) {
    return wait(lock, deadline(span), std::move(condition));
  }
  template <class Lock, class Clock, class Duration>
  std::cv_status wait_until(Lock& lock, std::chrono::time_point<Clock, Duration> point) {
    return status(wait(lock, point));
  }
  template <class Lock, class Clock, class Duration, std::predicate Condition>
  bool wait_until(Lock& lock, std::chrono::time_point<Clock, Duration> point, Condition condition) {
    return wait(lock, deadline(point), std::move(condition));
  }

 private:
  /// Any lock.
  struct lockable {
    template <class Lock>
    explicit lockable(Lock& lock) noexcept
        : object(&lock), lock([](void* o) { static_cast<Lock*>(o)->lock(); }),
          unlock([](void* o) { static_cast<Lock*>(o)->unlock(); }) {}
    void* object;
    void (*lock)(void*);
    void (*unlock)(void*);
  };
  static std::cv_status status(bool notified) noexcept {
    return notified ? std::cv_status::no_timeout : std::cv_status::timeout;
  }
  bool wait_until(lockable lock, std::int64_t until);
  void leave_and_pass_on(detail::waiter& w);

  detail::sync_lock lock_;
  detail::wait_list waiters_;
};

/// `condition_variable` takes any lock.
using condition_variable_any = condition_variable;

} // namespace weft
