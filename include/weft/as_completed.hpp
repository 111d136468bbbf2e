// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <initializer_list>
#include <utility>

#include <weft/deadline.hpp>
#include <weft/detail/completion_range.hpp>
#include <weft/waitable.hpp>

namespace [[gnu::visibility("default")]] weft {

struct as_completed_options {
  /// For all of them together, counted from the call.
  deadline timeout = {};
};

/// An input range of the tasks' handles in order of completion: each step waits for the next one.
/// Model: asyncio.as_completed.
///
///     for (auto& t : weft::as_completed(tasks, {.timeout = 10s}))
///       consume(t.get());
///
/// Accepts what joinall accepts, a pack's options first. Of nothing: an empty range. A duplicate
/// comes as often as it was passed. Those that are done already come first and without waiting.
/// If the time is over and none that was not given yet is done, the step throws `timeout_error`;
/// the tasks run on. `iwait` ends instead.
///
/// Leaving the loop early leaves no callback and no waiter behind, and the tasks alone. The range
/// holds their handles until then; it is moved, not copied, and walked once, by any one thread.
///
/// Each step parks the fiber, or blocks a thread without a hub; a switch point unless the next one
/// is done. Cancelling the caller leaves the tasks alone. Throws `future_error` for an empty
/// handle, `deadlock_error` if the caller is among those it would wait for.
template <waitable_range R>
[[nodiscard]] auto as_completed(R&& tasks, const as_completed_options& options = {}) {
  return detail::completion_range<detail::range_handle_of<R>>(
      detail::handles_of_range(std::forward<R>(tasks)), options.timeout.absolute(),
      static_cast<std::size_t>(-1), detail::blocking_call::as_completed);
}
template <waitable_item... Items>
requires(sizeof...(Items) > 0)
    [[nodiscard]] auto as_completed(const as_completed_options& options, Items&&... items) {
  return as_completed(detail::handles_of_pack(std::forward<Items>(items)...), options);
}
template <waitable_item... Items>
requires(sizeof...(Items) > 0) [[nodiscard]] auto as_completed(Items&&... items) {
  return as_completed(detail::handles_of_pack(std::forward<Items>(items)...));
}
[[nodiscard]] inline auto as_completed(std::initializer_list<any_task> tasks,
                                       const as_completed_options& options = {}) {
  return as_completed(detail::handles_of_range(tasks), options);
}

} // namespace weft
