// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include <weft/deadline.hpp>
#include <weft/detail/channel_core.hpp>
#include <weft/detail/item_iterator.hpp>
#include <weft/error.hpp>

namespace [[gnu::visibility("default")]] weft {

/// Hands items from those who send to those who receive. Model: Go's chan.
///
///     weft::channel<int> squares;  // a rendezvous: send waits for a receiver
///     auto producer = weft::spawn([&] {
///       for (int i = 0; i < 3; ++i)
///         squares.send(i * i);
///       squares.close();
///     });
///     for (int n : squares)        // 0 1 4, then it is closed
///       print(n);
///
/// A rendezvous, as made by default: `send` waits until somebody receives the item. Given a
/// capacity it has a buffer, and `send` waits only while that is full. To wait for several:
/// weft/select.hpp.
///
/// - Any thread and any fiber may use it, at the same time. It must outlive their calls.
/// - Fair: whoever waits is served in the order of coming, and nobody overtakes.
/// - A call that has to wait parks the fiber, or blocks a thread without a hub, and is a switch
///   point; inside a callback it throws std::logic_error. One that need not wait is no switch
///   point and may be made anywhere. The try_ forms never wait.
/// - A waiter that is cancelled or times out loses nothing: a `send` that is left so was not
///   done, and its item is untouched; if the item changed hands at the same time the call returns
///   as usual, and the cancellation comes at the next switch point.
/// - What T's move throws is thrown by the call that moved it, or whose item it was, and the
///   channel is as before.
///
/// `T` may be move-only. Its moves run with the channel locked: they may not wait, nor use it.
template <class T>
class channel {
  static_assert(std::is_object_v<T> && std::move_constructible<T>);

 public:
  using value_type = T;

  /// A rendezvous.
  channel() : core_(detail::item_type_of<T>, 0) {}
  /// With a buffer for `capacity` items, which is allocated now; 0: a rendezvous.
  explicit channel(std::size_t capacity) : core_(detail::item_type_of<T>, capacity) {}
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  ~channel() = default;

  /// Sends an item; waits until a receiver has it, or the buffer. Throws `channel_closed` if it
  /// is closed, before or while it waits.
  void send(T&& item) { send_or_throw(item, INT64_MAX); }
  void send(const T& item) requires std::copy_constructible<T> {
    T copy(item);
    send_or_throw(copy, INT64_MAX);
  }
  /// The same with a limit; false if the time was over first.
  bool send(T&& item, deadline limit) { return send_or_throw(item, limit.absolute()); }
  bool send(const T& item, deadline limit) requires std::copy_constructible<T> {
    T copy(item);
    return send_or_throw(copy, limit.absolute());
  }
  /// Sends an item if a receiver waits or there is room in the buffer; says whether. Throws
  /// `channel_closed` if it is closed.
  bool try_send(T&& item) { return send_or_throw(item, detail::channel_core::no_wait); }
  bool try_send(const T& item) requires std::copy_constructible<T> {
    T copy(item);
    return send_or_throw(copy, detail::channel_core::no_wait);
  }

  /// Receives the next item; waits until there is one. Nothing if it is closed and empty.
  std::optional<T> receive() {
    std::optional<T> item;
    core_.receive(&item, INT64_MAX);
    return item;
  }
  /// The same with a limit: nothing also if the time was over first. If it matters which,
  /// `exhausted()` says whether anything may come yet.
  std::optional<T> receive(deadline limit) {
    std::optional<T> item;
    core_.receive(&item, limit.absolute());
    return item;
  }
  /// The next item if there is one in the buffer or a sender waits.
  std::optional<T> try_receive() {
    std::optional<T> item;
    core_.receive(&item, detail::channel_core::no_wait);
    return item;
  }

  /// Ends it: from now on `send` throws `channel_closed`, in those that wait as well, whose items
  /// are untouched. What is in the buffer can still be received, then `receive` gives nothing and
  /// iterations end. Again: no effect (Go panics). Never blocks, no switch point, anywhere.
  void close() noexcept { core_.close(); }
  [[nodiscard]] bool closed() const noexcept { return core_.closed(); }
  /// Closed and empty: nothing will be received any more.
  [[nodiscard]] bool exhausted() const noexcept { return core_.exhausted(); }

  /// Items in the buffer now.
  [[nodiscard]] std::size_t size() const noexcept { return core_.size(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return core_.capacity(); }

  /// Receives each item in turn until the channel is closed and empty; `++` waits as `receive`
  /// does. The item is the iterator's own and may be moved from. Several may iterate: each item
  /// goes to one.
  [[nodiscard]] detail::item_iterator<channel> begin() {
    return detail::item_iterator<channel>(*this);
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  /// Not part of the interface.
  [[nodiscard]] detail::channel_core& internal_core() noexcept { return core_; }

 private:
  friend class detail::item_iterator<channel>;

  bool send_or_throw(T& item, std::int64_t until) {
    const auto answer = core_.send(&item, until);
    if (answer == detail::channel_answer::closed) detail::channel_core::throw_closed();
    return answer == detail::channel_answer::done;
  }
  bool next_item(std::optional<T>& into) {
    return core_.receive(&into, INT64_MAX) == detail::channel_answer::done;
  }

  detail::channel_core core_;
};

} // namespace weft
