// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <initializer_list>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/deadline.hpp>
#include <weft/spawn.hpp>
#include <weft/task.hpp>

namespace [[gnu::visibility("default")]] weft {

/// Something that can be waited for: a task, a future, an any_task.
template <class T>
concept waitable = std::derived_from<std::remove_cvref_t<T>, future_base>;

/// Something that the functions for many accept: a waitable, or a callable, which is spawned.
template <class T>
concept waitable_or_callable = waitable<T> || std::invocable<std::decay_t<T>>;

/// A range of such.
template <class R>
concept waitable_range =
    std::ranges::input_range<R> && waitable_or_callable<std::ranges::range_reference_t<R>>;

struct join_options {
  /// A time-out gives a partial list, no exception.
  deadline timeout = {};
  /// Rethrow the earliest failure, at once; the others run on. A cancelled task is no failure.
  bool raise_error = false;
  /// Return when so many are done; a duplicate counts each time.
  std::size_t count = static_cast<std::size_t>(-1);
};

struct kill_options {
  /// How long to wait for their end.
  deadline timeout = {};
  /// What to throw in each; null: `cancelled`.
  std::exception_ptr exception = {};
  /// Whether to wait at all (gevent).
  bool block = true;
};

namespace detail {

/// Places, in order of completion, of those that are done when the wait ends.
std::vector<std::size_t> wait_for_many(const std::vector<state*>& states,
                                       const join_options& options);
void kill_many(const std::vector<state*>& states, const kill_options& options);

/// A handle as it is, a callable spawned.
template <class T>
auto as_handle(T&& item) {
  if constexpr (waitable<T>) {
    if (!item.valid()) throw_no_state("joinall");
    return std::remove_cvref_t<T>(std::forward<T>(item));
  } else {
    return spawn(std::forward<T>(item));
  }
}
template <class T>
using handle_of = decltype(as_handle(std::declval<T>()));

template <class R>
auto handles_of_range(R&& range) {
  std::vector<handle_of<std::ranges::range_reference_t<R>>> handles;
  if constexpr (std::ranges::sized_range<R>) handles.reserve(std::ranges::size(range));
  for (auto&& item : range)
    handles.push_back(as_handle(std::forward<decltype(item)>(item)));
  return handles;
}

/// All of one type, or any_task.
template <class First, class... Rest>
struct common {
  using type = std::conditional_t<(std::same_as<First, Rest> && ...), First, any_task>;
};

template <class... Items>
auto handles_of_pack(Items&&... items) {
  std::vector<typename common<handle_of<Items>...>::type> handles;
  handles.reserve(sizeof...(Items));
  (handles.emplace_back(as_handle(std::forward<Items>(items))), ...);
  return handles;
}

template <class Handle>
std::vector<state*> states_of(const std::vector<Handle>& handles) {
  std::vector<state*> states;
  states.reserve(handles.size());
  for (const auto& handle : handles)
    states.push_back(handle.internal_state());
  return states;
}

template <class Handle>
std::vector<Handle> join_handles(const std::vector<Handle>& handles, const join_options& options) {
  std::vector<Handle> done;
  const auto places = wait_for_many(states_of(handles), options);
  done.reserve(places.size());
  for (const std::size_t place : places)
    done.push_back(handles[place]);
  return done;
}

} // namespace detail

/// Waits for many: until all are done, or `count` of them, or one failed (`raise_error`), or the
/// time is over. Returns those that are done, in order of completion. Model: gevent.joinall.
///
///     auto done = weft::joinall(tasks, {.timeout = 1s, .raise_error = true});
///     weft::joinall(a, b, [] { return work(); });
///
/// Takes a range or a pack of tasks, futures and callables (which are spawned). The result is a
/// vector of their handle type; of any_task where they differ. An empty input gives an empty
/// answer at once; a duplicate is given back, and counted, as often as it was passed.
///
/// Parks the fiber, or blocks a thread without a hub; a switch point unless enough are done.
/// Cancelling the caller leaves the tasks alone. Throws `future_error` for an empty handle.
template <waitable_range R>
auto joinall(R&& tasks, const join_options& options = {}) {
  return detail::join_handles(detail::handles_of_range(std::forward<R>(tasks)), options);
}
template <waitable_or_callable... Items>
requires(sizeof...(Items) > 0 && !(waitable_range<Items> || ...)) auto joinall(Items&&... items) {
  return detail::join_handles(detail::handles_of_pack(std::forward<Items>(items)...), {});
}
/// A pack with options: those come first.
template <waitable_or_callable... Items>
requires(sizeof...(Items) > 0 &&
         !(waitable_range<Items> || ...)) auto joinall(const join_options& options,
                                                       Items&&... items) {
  return detail::join_handles(detail::handles_of_pack(std::forward<Items>(items)...), options);
}
/// `joinall({a, b}, {.timeout = 1s})`, of whatever result types.
inline std::vector<any_task> joinall(std::initializer_list<any_task> tasks,
                                     const join_options& options = {}) {
  return detail::join_handles(detail::handles_of_range(tasks), options);
}

/// Requests the end of many, each by one exception, and waits until all are at their end. If the
/// time is over before: throws `timeout_error` that names those alive. Model: gevent.killall.
///
/// Accepts what joinall accepts. Not started ones never run. If the caller is among them it is
/// cancelled last, when the others are at their end: then the call throws `cancelled`.
template <waitable_range R>
void killall(R&& tasks, const kill_options& options = {}) {
  const auto handles = detail::handles_of_range(std::forward<R>(tasks));
  detail::kill_many(detail::states_of(handles), options);
}
template <waitable_or_callable... Items>
requires(sizeof...(Items) > 0 && !(waitable_range<Items> || ...)) void killall(Items&&... items) {
  const auto handles = detail::handles_of_pack(std::forward<Items>(items)...);
  detail::kill_many(detail::states_of(handles), {});
}
template <waitable_or_callable... Items>
requires(sizeof...(Items) > 0 &&
         !(waitable_range<Items> || ...)) void killall(const kill_options& options,
                                                       Items&&... items) {
  const auto handles = detail::handles_of_pack(std::forward<Items>(items)...);
  detail::kill_many(detail::states_of(handles), options);
}
inline void killall(std::initializer_list<any_task> tasks, const kill_options& options = {}) {
  detail::kill_many(detail::states_of(detail::handles_of_range(tasks)), options);
}

} // namespace weft
