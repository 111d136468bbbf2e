// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>

#include <weft/deadline.hpp>
#include <weft/detail/wait_list.hpp>

namespace [[gnu::visibility("default")]] weft {
namespace detail {

/// One who waits in a queue. `payload` is where a getter's or peeker's item goes to (a
/// std::optional<T>), or a putter's item (a T).
struct queue_waiter : waiter {
  enum wish : std::uint32_t { get, peek, put }; // what `kind` says
  enum class answer : std::uint8_t { served, closed, failed };

  queue_waiter(wish what, void* where) {
    kind = what;
    payload = where;
  }

  answer result = answer::served;
  std::exception_ptr error; // what T's copy or move threw when it was served: `failed`
};

/// Whether an operation on a queue was done, and if not, why.
enum class queue_answer : std::uint8_t { done, timed_out, closed };

/// What a queue has that does not depend on the type of its items.
class queue_base {
 public:
  queue_base(const queue_base&) = delete;
  queue_base& operator=(const queue_base&) = delete;

  /// The most items that it holds; SIZE_MAX if it is unbounded.
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  /// Ends it: from now on `put` throws `queue_closed`, in those that wait as well, whose items are
  /// untouched. What is in it can still be got; when it is empty, `get` throws `queue_closed` and
  /// iterations end. Again: no effect. Never blocks, no switch point, anywhere.
  /// Model: queue.Queue.shutdown of Python 3.13.
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept;

  /// Says that one item that was got has been dealt with. Throws std::logic_error if it is said
  /// more often than there were items. Never blocks, no switch point, anywhere. Whoever does not
  /// use `join` need not call it. Model: gevent's JoinableQueue.task_done.
  void task_done();

  /// Waits until `task_done` was called once for each item that was ever put. Returns at once, and
  /// is no switch point, if that is so already. Model: gevent's JoinableQueue.join.
  void join();
  /// The same with a limit; says whether it is so.
  bool join(deadline limit);

  /// Items for which `task_done` was not called yet.
  [[nodiscard]] std::size_t unfinished() const noexcept;

 protected:
  /// `until` of a call that never waits.
  static constexpr std::int64_t no_wait = -1;

  explicit queue_base(std::size_t capacity);
  ~queue_base() = default;

  /// Waits in `list` as `w`; throws what serving it threw, and what was requested of the fiber.
  queue_answer wait_as(queue_waiter& w, std::unique_lock<sync_lock>& held, wait_list& list,
                       std::int64_t until);
  [[noreturn]] static void throw_closed(const char* call);

  mutable sync_lock lock_;
  bool closed_ = false;
  const std::size_t capacity_;
  std::size_t unfinished_ = 0;
  wait_list getters_; // and peekers; only while it is empty
  wait_list putters_; // only while it is full
  wait_list joiners_;

 private:
  bool join_until(std::int64_t until);
};

} // namespace detail
} // namespace weft
