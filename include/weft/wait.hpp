// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include <weft/deadline.hpp>
#include <weft/waitable.hpp>

namespace [[gnu::visibility("default")]] weft {

/// When `wait` returns, if the time is not over before. asyncio's names.
enum class wait_condition : std::uint8_t {
  all_completed,
  first_completed,
  /// As soon as one has failed, else when all are done; a cancelled one has not failed.
  first_exception,
};
using enum wait_condition;

struct wait_options {
  wait_condition when = all_completed;
  /// A time-out is no exception; nothing is cancelled.
  deadline timeout = {};
};

/// What `wait` gives: `auto [done, pending] = weft::wait(tasks);`
template <class Handle>
struct wait_result {
  /// In order of completion.
  std::vector<Handle> done;
  /// In the order in which they were passed.
  std::vector<Handle> pending;
};

namespace detail {

/// Places of those done, in order of completion.
std::vector<std::size_t> wait_for_many(const std::vector<state*>& states,
                                       const wait_options& options);

template <class Handle>
wait_result<Handle> wait_for_handles(const std::vector<Handle>& handles,
                                     const wait_options& options) {
  const auto places = wait_for_many(states_of(handles), options);
  std::vector<bool> is_done(handles.size());
  for (const std::size_t place : places)
    is_done[place] = true;
  wait_result<Handle> result{pick_handles(handles, places), {}};
  result.pending.reserve(handles.size() - places.size());
  for (std::size_t i = 0; i < handles.size(); ++i)
    if (!is_done[i]) result.pending.push_back(handles[i]);
  return result;
}

} // namespace detail

/// Waits for many and gives all of them back, those that are done apart from those that are not.
/// Model: asyncio.wait.
///
///     auto [done, pending] = weft::wait(tasks, {.when = weft::first_completed, .timeout = 1s});
///     for (auto& t : pending)
///       t.cancel();
///
/// Accepts what joinall accepts, a pack's options first: `wait({.timeout = 1s}, a, b)`. Of nothing:
/// two empty vectors, at once. A duplicate is in the answer as often as it was passed.
///
/// Parks the fiber, or blocks a thread without a hub; a switch point unless the condition is met
/// already. Never throws what they ended with. Cancelling the caller leaves the tasks alone.
/// Throws `future_error` for an empty handle, `deadlock_error` if the caller is among them, and
/// std::logic_error inside a callback.
template <waitable_range R>
auto wait(R&& tasks, const wait_options& options = {}) -> wait_result<detail::range_handle_of<R>> {
  return detail::wait_for_handles(detail::handles_of_range(std::forward<R>(tasks)), options);
}
template <waitable_item... Items>
requires(sizeof...(Items) > 0) auto wait(Items&&... items) {
  return detail::wait_for_handles(detail::handles_of_pack(std::forward<Items>(items)...), {});
}
template <waitable_item... Items>
requires(sizeof...(Items) > 0) auto wait(const wait_options& options, Items&&... items) {
  return detail::wait_for_handles(detail::handles_of_pack(std::forward<Items>(items)...), options);
}
inline wait_result<any_task> wait(std::initializer_list<any_task> tasks,
                                  const wait_options& options = {}) {
  return detail::wait_for_handles(detail::handles_of_range(tasks), options);
}

} // namespace weft
