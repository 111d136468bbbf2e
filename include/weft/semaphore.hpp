// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include <weft/deadline.hpp>
#include <weft/detail/wait_list.hpp>

namespace [[gnu::visibility("default")]] weft {

/// A number of permits, shared by fibers of any hubs and bare threads. Model: asyncio.Semaphore,
/// gevent.lock.Semaphore, std::counting_semaphore.
///
///     weft::semaphore at_most_three(3);
///     std::vector<weft::task<void>> workers;
///     for (int i = 0; i < 5; ++i)
///       workers.push_back(weft::spawn([&] {
///         std::lock_guard permit(at_most_three);  // Python: with at_most_three:
///         weft::sleep(20ms);
///       }));
///     weft::joinall(workers);
///
/// - FIFO and fair: a released permit is handed to whoever has waited longest; nobody overtakes,
///   not even the one who releases.
/// - Waiting parks the fiber, or blocks a thread without a hub; not waiting is no switch point.
/// - A waiter that is cancelled or times out takes no permit along.
/// - `release` and `try_acquire` may be called anywhere, inside callbacks too; `acquire` inside a
///   callback throws std::logic_error where it would have to wait.
/// - Any thread may call everything; who releases need not be who acquired.
/// - Constant-initialised: may be static.
class semaphore {
 public:
  /// With so many permits; less than 0: std::invalid_argument.
  constexpr explicit semaphore(std::ptrdiff_t permits = 1) : semaphore(permits, max()) {}
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;
  ~semaphore() = default;

  [[nodiscard]] static constexpr std::ptrdiff_t max() noexcept { return PTRDIFF_MAX; }

  /// Takes a permit; waits for one. A switch point if it has to wait: then it throws what was
  /// requested of the fiber, and takes none.
  void acquire();
  /// The same until `limit`; says whether a permit was taken.
  [[nodiscard]] bool acquire(deadline limit) { return acquire_until(limit.absolute()); }
  /// Without waiting: false if there is none (or all that there are belong to those who wait).
  [[nodiscard]] bool try_acquire() noexcept;

  template <class Rep, class Period>
  [[nodiscard]] bool try_acquire_for(std::chrono::duration<Rep, Period> span) {
    return acquire(span);
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_acquire_until(std::chrono::time_point<Clock, Duration> point) {
    return acquire(point);
  }

  /// Gives back, or adds, `permits`, and hands them to those who wait. Never blocks, no switch
  /// point. Less than 0: std::invalid_argument. More than can be counted (of a bounded_semaphore:
  /// more than it began with): std::length_error, a std::logic_error; then none is added.
  void release(std::ptrdiff_t permits = 1);

  /// How many could be taken now without waiting; may be another number a moment later.
  [[nodiscard]] std::ptrdiff_t available() const noexcept;

  /// The same as acquire, try_acquire and release, so that std::lock_guard holds a permit.
  void lock() { acquire(); }
  [[nodiscard]] bool try_lock() noexcept { return try_acquire(); }
  void unlock() { release(); }

 protected:
  constexpr semaphore(std::ptrdiff_t permits, std::ptrdiff_t most) : free_(permits), most_(most) {
    if (permits < 0)
      throw std::invalid_argument("weft: a semaphore cannot begin with less than 0 permits");
  }

 private:
  bool acquire_until(std::int64_t until);
  bool wait_for_it(std::int64_t until);

  mutable detail::sync_lock lock_;
  std::ptrdiff_t free_; // 0 while somebody waits
  std::ptrdiff_t most_;
  detail::wait_list waiters_;
};

/// A semaphore that knows how many permits there are: releasing one that nobody has is
/// std::length_error, a bug found early. Model: asyncio.BoundedSemaphore,
/// gevent.lock.BoundedSemaphore.
class bounded_semaphore : public semaphore {
 public:
  constexpr explicit bounded_semaphore(std::ptrdiff_t permits = 1) : semaphore(permits, permits) {}
};

} // namespace weft
