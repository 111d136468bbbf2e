// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/deadline.hpp>
#include <weft/detail/item_iterator.hpp>
#include <weft/detail/queue_base.hpp>
#include <weft/detail/queue_order.hpp>
#include <weft/error.hpp>

namespace [[gnu::visibility("default")]] weft {

/// What `queue`, `lifo_queue` and `priority_queue` share: items wait in it for whoever gets them.
/// Model: gevent.queue, asyncio.Queue.
///
///     weft::queue<std::string> jobs(100);
///     auto worker = weft::spawn([&] {
///       for (const auto& job : jobs) {  // until it is closed, and empty
///         handle(job);
///         jobs.task_done();
///       }
///     });
///     jobs.put("first");                // parks while there are a hundred
///     jobs.join();                      // until all that was put was handled
///     jobs.close();
///
/// - Any thread and any fiber may use it, at the same time. It must outlive their calls.
/// - Fair: whoever waits is served in the order of coming, and nobody overtakes. An item put while
///   somebody waits in `get` is handed to that one; room made while somebody waits in `put` is
///   filled with that one's item.
/// - A call that has to wait parks the fiber, or blocks a thread without a hub, and is a switch
///   point; inside a callback it throws std::logic_error. One that need not wait is no switch
///   point and may be made anywhere. The try_ forms never wait.
/// - A waiter that is cancelled or times out loses nothing: an item that was handed to it at the
///   same time is what its call returns; the cancellation comes at its next switch point.
/// - An item that was not put is untouched. What T's copy or move throws is thrown by the call
///   whose item it was, and the queue is as before; only if moving a result to the caller of
///   `get` throws is that item lost.
///
/// `T` may be move-only. Its moves and copies (and the comparisons of a priority_queue) run with
/// the queue locked: they may not wait, nor use the queue.
template <class T, class Order>
class basic_queue : public detail::queue_base {
  static_assert(std::is_object_v<T> && std::move_constructible<T>);

 public:
  using value_type = T;

  /// Puts an item in; waits while it is full. Throws `queue_closed` if it is closed, before or
  /// while it waits.
  void put(T&& item) { put_or_throw(item, INT64_MAX); }
  void put(const T& item) requires std::copy_constructible<T> {
    T copy(item);
    put_or_throw(copy, INT64_MAX);
  }
  /// The same with a limit; false if the time was over first.
  bool put(T&& item, deadline limit) { return put_or_throw(item, limit.absolute()); }
  bool put(const T& item, deadline limit) requires std::copy_constructible<T> {
    T copy(item);
    return put_or_throw(copy, limit.absolute());
  }
  /// Puts an item in if it is not full; says whether. Throws `queue_closed` if it is closed.
  /// Model: put_nowait.
  bool try_put(T&& item) { return put_or_throw(item, no_wait); }
  bool try_put(const T& item) requires std::copy_constructible<T> {
    T copy(item);
    return put_or_throw(copy, no_wait);
  }

  /// Takes the next item out; waits while it is empty. Throws `queue_closed` if it is empty and
  /// closed, before or while it waits.
  T get() {
    std::optional<T> item;
    get_or_throw(item, INT64_MAX);
    return std::move(*item);
  }
  /// The same with a limit; nothing if the time was over first.
  std::optional<T> get(deadline limit) {
    std::optional<T> item;
    get_or_throw(item, limit.absolute());
    return item;
  }
  /// The next item if it is not empty. Throws `queue_closed` if it is empty and closed.
  /// Model: get_nowait.
  std::optional<T> try_get() {
    std::optional<T> item;
    get_or_throw(item, no_wait);
    return item;
  }

  /// A copy of the item that comes next, which stays; waits as `get` does. By the time that the
  /// caller looks at it somebody else may have got it. Model: gevent's Queue.peek.
  T peek() requires std::copy_constructible<T> {
    std::optional<T> item;
    peek_or_throw(item, INT64_MAX);
    return std::move(*item);
  }
  /// The same with a limit; nothing if the time was over first.
  std::optional<T> peek(deadline limit) requires std::copy_constructible<T> {
    std::optional<T> item;
    peek_or_throw(item, limit.absolute());
    return item;
  }
  /// The same if it is not empty.
  std::optional<T> try_peek() requires std::copy_constructible<T> {
    std::optional<T> item;
    peek_or_throw(item, no_wait);
    return item;
  }

  /// Items in it now; those of waiting putters are not.
  [[nodiscard]] std::size_t size() const noexcept {
    const std::lock_guard held(lock_);
    return items_.size();
  }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] bool full() const noexcept { return size() >= capacity_; }

  /// Gets each item in turn until the queue is closed and empty; `++` waits as `get` does. The
  /// item is the iterator's own and may be moved from. Several may iterate: each item goes to one.
  [[nodiscard]] detail::item_iterator<basic_queue> begin() {
    return detail::item_iterator<basic_queue>(*this);
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 protected:
  basic_queue() : queue_base(SIZE_MAX) {}
  explicit basic_queue(std::size_t capacity) : queue_base(capacity) {}
  basic_queue(std::size_t capacity, Order order) : queue_base(capacity), items_(std::move(order)) {}
  ~basic_queue() = default;

 private:
  using node = detail::queue_waiter;
  using answer = detail::queue_answer;
  using lock_guard = std::unique_lock<detail::sync_lock>;
  friend class detail::item_iterator<basic_queue>;

  bool put_or_throw(T& item, std::int64_t until) {
    const answer how = put_item(item, until);
    if (how == answer::closed) throw_closed("put");
    return how == answer::done;
  }
  void get_or_throw(std::optional<T>& into, std::int64_t until) {
    if (get_item(into, until) == answer::closed) throw_closed("get");
  }
  void peek_or_throw(std::optional<T>& into, std::int64_t until) {
    if (peek_item(into, until) == answer::closed) throw_closed("peek");
  }
  /// For iterations: false once it is closed and empty.
  bool next_item(std::optional<T>& into) { return get_item(into, INT64_MAX) == answer::done; }

  answer put_item(T& item, std::int64_t until) {
    lock_guard held(lock_);
    if (closed_) return answer::closed;
    if (!getters_.empty()) {
      serve_getters(held, item);
      return answer::done;
    }
    if (items_.size() < capacity_) {
      items_.push(std::move(item));
      ++unfinished_;
      return answer::done;
    }
    if (until == no_wait) return answer::timed_out;
    node self(node::put, &item);
    return wait_as(self, held, putters_, until);
  }

  answer get_item(std::optional<T>& into, std::int64_t until) {
    lock_guard held(lock_);
    if (items_.size() > 0) {
      items_.take([&](T&& item) { into.emplace(std::move(item)); });
      if (!putters_.empty()) let_putters_in(held);
      return answer::done;
    }
    if (closed_) return answer::closed;
    if (until == no_wait) return answer::timed_out;
    node self(node::get, &into);
    return wait_as(self, held, getters_, until);
  }

  answer peek_item(std::optional<T>& into, std::int64_t until) {
    lock_guard held(lock_);
    if (items_.size() > 0) {
      into.emplace(std::as_const(items_.next()));
      return answer::done;
    }
    if (closed_) return answer::closed;
    if (until == no_wait) return answer::timed_out;
    node self(node::peek, &into);
    return wait_as(self, held, getters_, until);
  }

  static std::optional<T>& target_of(detail::waiter& w) noexcept {
    return *static_cast<std::optional<T>*>(w.payload);
  }

  /// Gives `item` to the first who waits in `get`, or keeps it if there are only peekers; those
  /// who came before that one and only want to look get copies.
  void serve_getters(lock_guard& held, T& item) {
    detail::waiter* getter = getters_.first();
    while (getter && getter->kind != node::get)
      getter = getter->next;
    if (getter)
      target_of(*getter).emplace(std::move(item));
    else
      items_.push(std::move(item));
    ++unfinished_;
    detail::wait_chain served;
    if constexpr (std::copy_constructible<T>)
      while (!getters_.empty() && getters_.first() != getter)
        served.push_back(
            show(*getters_.take_front(), getter ? *target_of(*getter) : items_.next()));
    if (getter) served.push_back(*getters_.take_front());
    held.unlock();
    detail::resume_all(served.first());
  }

  static detail::waiter& show(detail::waiter& peeker, const T& item) noexcept {
    auto& w = static_cast<node&>(peeker);
    try {
      target_of(w).emplace(item);
    } catch (...) {
      w.error = std::current_exception();
      w.result = node::answer::failed;
    }
    return w;
  }

  /// There is room for one: the first putter's item comes in. One that cannot be moved is its
  /// putter's trouble, and the next one's turn.
  void let_putters_in(lock_guard& held) noexcept {
    detail::wait_chain served;
    while (items_.size() < capacity_ && !putters_.empty()) {
      auto& w = static_cast<node&>(*putters_.take_front());
      try {
        items_.push(std::move(*static_cast<T*>(w.payload)));
        ++unfinished_;
      } catch (...) {
        w.error = std::current_exception();
        w.result = node::answer::failed;
      }
      served.push_back(w);
    }
    held.unlock();
    detail::resume_all(served.first());
  }

  Order items_;
};

/// A queue whose items come out in the order in which they were put. See basic_queue.
template <class T>
class queue : public basic_queue<T, detail::fifo_order<T>> {
 public:
  /// Unbounded: `put` never waits.
  queue() = default;
  /// Holds at most `capacity` items. Throws std::invalid_argument for 0: a `channel` hands items
  /// over directly.
  explicit queue(std::size_t capacity) : basic_queue<T, detail::fifo_order<T>>(capacity) {}
};

/// A queue whose newest item comes out first. See basic_queue.
template <class T>
class lifo_queue : public basic_queue<T, detail::lifo_order<T>> {
 public:
  /// Unbounded: `put` never waits.
  lifo_queue() = default;
  /// Holds at most `capacity` items; std::invalid_argument for 0.
  explicit lifo_queue(std::size_t capacity) : basic_queue<T, detail::lifo_order<T>>(capacity) {}
};

/// A queue out of which comes first what `Compare` puts before all others: the smallest, as with
/// gevent's PriorityQueue (and the opposite of std::priority_queue, which has the largest on top).
/// Equal ones come in the order in which they were put. A waiting putter's item is not in the queue
/// yet and not compared. See basic_queue; `put` and `get` take O(log n) comparisons, and one
/// that throws leaves the queue as it was.
template <class T, class Compare = std::less<T>>
class priority_queue : public basic_queue<T, detail::priority_order<T, Compare>> {
  using order = detail::priority_order<T, Compare>;

 public:
  /// Unbounded: `put` never waits.
  explicit priority_queue(Compare compare = Compare())
      : basic_queue<T, order>(SIZE_MAX, order(std::move(compare))) {}
  /// Holds at most `capacity` items; std::invalid_argument for 0.
  explicit priority_queue(std::size_t capacity, Compare compare = Compare())
      : basic_queue<T, order>(capacity, order(std::move(compare))) {}
};

} // namespace weft
