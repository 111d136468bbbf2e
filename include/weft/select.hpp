// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/channel.hpp>
#include <weft/deadline.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {

struct select_case {
  channel_core* channel = nullptr; // null: never ready
  bool sends = false;
  void* payload = nullptr; // the item, or the std::optional where it goes to
};

struct select_result {
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::size_t number = none; // of the case that happened
  channel_answer answer = channel_answer::timed_out;
};

select_result select_among(std::span<select_case* const> cases, std::int64_t until);
[[noreturn]] void throw_nothing_to_send();

template <class T>
concept a_case = std::derived_from<std::remove_cvref_t<T>, select_case>;
template <class R>
concept range_of_cases = std::ranges::forward_range<R> &&
    std::is_lvalue_reference_v<std::ranges::range_reference_t<R>> &&
    a_case<std::ranges::range_reference_t<R>>;

struct no_handler {
  void operator()() const noexcept {}
};

} // namespace detail

/// A case of `select`: made by `on_receive`.
template <class T, class F>
class receive_case : public detail::select_case {
 public:
  receive_case(weft::channel<T>& from, F handler) : handler_(std::move(handler)) {
    channel = &from.internal_core();
  }
  /// Takes part only if `condition` is true (in Go: a nil channel otherwise).
  receive_case&& when(bool condition) && {
    if (!condition) channel = nullptr;
    return std::move(*this);
  }

  /// Not part of the interface.
  void prepare() noexcept { payload = &item_; }
  void finish(detail::channel_answer) {
    std::optional<T> item = std::exchange(item_, std::nullopt);
    if constexpr (std::invocable<F&, std::optional<T>>)
      std::invoke(handler_, std::move(item));
    else
      std::invoke(handler_);
  }

 private:
  std::optional<T> item_;
  F handler_;
};

/// A case of `select`: made by `on_send`. It owns the item until that is sent, so that one that
/// was not sent is still there for the next `select` with the same object.
template <class T, class F>
class send_case : public detail::select_case {
 public:
  send_case(weft::channel<T>& to, T item, F handler)
      : item_(std::move(item)), handler_(std::move(handler)) {
    channel = &to.internal_core();
    sends = true;
  }
  /// Takes part only if `condition` is true.
  send_case&& when(bool condition) && {
    if (!condition) channel = nullptr;
    return std::move(*this);
  }
  /// What is to be sent; nothing once it is. May be set anew.
  [[nodiscard]] std::optional<T>& item() noexcept { return item_; }

  /// Not part of the interface.
  void prepare() {
    if (!item_ && channel) detail::throw_nothing_to_send();
    payload = item_ ? &*item_ : nullptr;
  }
  void finish(detail::channel_answer answer) {
    if (answer == detail::channel_answer::closed) detail::channel_core::throw_closed();
    item_.reset();
    std::invoke(handler_);
  }

 private:
  std::optional<T> item_;
  F handler_;
};

/// To receive from `from`. If this is the case that happens, `f` is called with a
/// std::optional<T>, which is empty if the channel is closed and empty; or `f()`.
template <class T, class F = detail::no_handler>
requires(std::invocable<F&, std::optional<T>> || std::invocable<F&>)
    [[nodiscard]] auto on_receive(channel<T>& from, F f = {}) {
  return receive_case<T, F>(from, std::move(f));
}

/// To send `item` into `to`, which throws `channel_closed` if that is closed. If this is the case
/// that happens, `f()` is called.
template <class T, std::invocable F = detail::no_handler>
[[nodiscard]] auto on_send(channel<T>& to, std::type_identity_t<T> item, F f = {}) {
  return send_case<T, F>(to, std::move(item), std::move(f));
}

namespace detail {

template <a_case... Cases>
std::size_t select_pack(std::int64_t until, Cases&... cases) {
  (cases.prepare(), ...);
  select_case* const all[] = {&cases...};
  const select_result result = select_among(all, until);
  std::size_t number = 0;
  ((number++ == result.number ? cases.finish(result.answer) : void()), ...);
  return result.number;
}

template <range_of_cases R>
std::size_t select_range(std::int64_t until, R& cases) {
  std::vector<select_case*> all;
  for (auto& one : cases) {
    one.prepare();
    all.push_back(&one);
  }
  const select_result result = select_among(all, until);
  if (result.number != select_result::none)
    std::ranges::next(std::ranges::begin(cases), static_cast<std::ptrdiff_t>(result.number))
        ->finish(result.answer);
  return result.number;
}

inline std::optional<std::size_t> number_or_nothing(std::size_t number) {
  return number == select_result::none ? std::nullopt : std::optional(number);
}

} // namespace detail

/// Waits until one of several cases can happen, lets exactly that one happen, calls its handler
/// in this fiber, and returns its number, counted from 0. Model: Go's select.
///
///     weft::select(
///         weft::on_receive(numbers, [](std::optional<int> n) { use(*n); }),
///         weft::on_send(words, "hello", [] { note_sent(); }),
///         weft::on_receive(stop));
///
/// - If several can happen at once one of them is picked at random, so that none starves. One
///   whose channel is closed can always happen: receiving gives nothing, sending throws
///   `channel_closed`.
/// - The cases of one call may be of any types and channels, also of the same channel, and the
///   other side may be in a `select`, in another fiber, hub or thread. No item is lost or doubled.
/// - Waiting parks the fiber, or blocks a thread without a hub, and is a switch point; inside a
///   callback it throws std::logic_error. If it is left by cancellation or time-out, no case has
///   happened. One that need not wait is no switch point.
/// - O(n log n) in the number of cases, all of whose channels are locked for a moment.
///
/// Takes a pack of cases, or a range of one type of case, as for channels in a vector; without
/// any: std::invalid_argument.
template <detail::a_case... Cases>
std::size_t select(Cases&&... cases) {
  return detail::select_pack(INT64_MAX, cases...);
}
template <detail::range_of_cases R>
std::size_t select(R&& cases) {
  return detail::select_range(INT64_MAX, cases);
}

/// The same with a limit; nothing if the time was over first.
template <detail::a_case... Cases>
std::optional<std::size_t> select(deadline limit, Cases&&... cases) {
  return detail::number_or_nothing(detail::select_pack(limit.absolute(), cases...));
}
template <detail::range_of_cases R>
std::optional<std::size_t> select(deadline limit, R&& cases) {
  return detail::number_or_nothing(detail::select_range(limit.absolute(), cases));
}

/// The same without waiting, anywhere: nothing if no case can happen now. Model: Go's default case.
template <detail::a_case... Cases>
std::optional<std::size_t> try_select(Cases&&... cases) {
  return detail::number_or_nothing(detail::select_pack(detail::channel_core::no_wait, cases...));
}
template <detail::range_of_cases R>
std::optional<std::size_t> try_select(R&& cases) {
  return detail::number_or_nothing(detail::select_range(detail::channel_core::no_wait, cases));
}

} // namespace weft
