// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <exception>
#include <initializer_list>
#include <utility>
#include <vector>

#include <weft/deadline.hpp>
#include <weft/waitable.hpp>

namespace [[gnu::visibility("default")]] weft {

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
std::vector<std::size_t> join_many(const std::vector<state*>& states, const join_options& options);
void kill_many(const std::vector<state*>& states, const kill_options& options);

template <class Handle>
std::vector<Handle> join_handles(const std::vector<Handle>& handles, const join_options& options) {
  return pick_handles(handles, join_many(states_of(handles), options));
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
template <waitable_item... Items>
requires(sizeof...(Items) > 0) auto joinall(Items&&... items) {
  return detail::join_handles(detail::handles_of_pack(std::forward<Items>(items)...), {});
}
/// A pack with options: those come first.
template <waitable_item... Items>
requires(sizeof...(Items) > 0) auto joinall(const join_options& options, Items&&... items) {
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
template <waitable_item... Items>
requires(sizeof...(Items) > 0) void killall(Items&&... items) {
  const auto handles = detail::handles_of_pack(std::forward<Items>(items)...);
  detail::kill_many(detail::states_of(handles), {});
}
template <waitable_item... Items>
requires(sizeof...(Items) > 0) void killall(const kill_options& options, Items&&... items) {
  const auto handles = detail::handles_of_pack(std::forward<Items>(items)...);
  detail::kill_many(detail::states_of(handles), options);
}
inline void killall(std::initializer_list<any_task> tasks, const kill_options& options = {}) {
  detail::kill_many(detail::states_of(detail::handles_of_range(tasks)), options);
}

} // namespace weft
