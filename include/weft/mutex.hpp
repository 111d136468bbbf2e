// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include <weft/deadline.hpp>
#include <weft/detail/wait_list.hpp>

namespace [[gnu::visibility("default")]] weft {

/// Mutual exclusion among fibers of any hubs and bare threads. Model: std::timed_mutex, whose
/// named requirements it meets (std::lock_guard, unique_lock, scoped_lock, lock work with it), and
/// asyncio.Lock, gevent.lock.RLock.
///
///     weft::mutex accounts;
///     auto transfer = weft::spawn([&] {
///       std::lock_guard held(accounts);
///       weft::sleep(10ms);  // others wait meanwhile, and the hub goes on
///     });
///
/// - FIFO and fair: `unlock` hands it to whoever has waited longest, and nobody overtakes.
/// - Waiting parks the fiber, or blocks a thread without a hub; not waiting is no switch point.
/// - Inside a callback `try_lock` and `unlock` may be called, and `lock` if nobody holds it; where
///   it would have to wait it throws std::logic_error.
/// - The holder is the fiber (or the bare thread) that locked: a fiber may hold it across switches
///   but nobody else may unlock it. A thread that gets a hub while it holds one keeps it.
/// - It is not released by the end of a fiber that holds it: use a guard.
/// - Constant-initialised and trivially destroyed in effect: may be static, and may be destroyed
///   by who has just unlocked it. 48 bytes. Uncontended and on one hub it costs what a pthread
///   mutex costs in a program of one thread.
///
/// On one hub, data that is touched only between two switch points needs no mutex at all.
class mutex {
 public:
  constexpr mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;
  ~mutex() = default;

  /// Waits until it is the caller's. A switch point if it has to wait: then it throws what was
  /// requested of the fiber, and the mutex is not held. If the caller holds it already:
  /// std::system_error, resource_deadlock_would_occur.
  void lock();
  /// The same until `limit`; says whether it is held.
  [[nodiscard]] bool lock(deadline limit) {
    return lock_until(limit.absolute(), detail::blocking_call::mutex_lock);
  }
  /// Without waiting; never throws what was requested. False if anybody holds it, the caller too.
  [[nodiscard]] bool try_lock() noexcept;

  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> span) {
    return lock(span);
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> point) {
    return lock(point);
  }

  /// Hands it to whoever has waited longest. Never blocks, no switch point. If the caller does not
  /// hold it: std::system_error, operation_not_permitted, and nothing changes.
  void unlock();

 private:
  friend class recursive_mutex;
  bool lock_until(std::int64_t until, detail::blocking_call call);
  bool wait_for_it(std::int64_t until, detail::blocking_call call);
  [[noreturn]] void refuse_unlock();
  [[nodiscard]] bool held_by_caller() const noexcept;

  detail::sync_lock lock_;
  std::atomic<std::uint64_t> holder_{0}; // under lock_, but the holder may look for itself
  detail::wait_list waiters_;
};

/// `mutex` has the timed calls.
using timed_mutex = mutex;

} // namespace weft
