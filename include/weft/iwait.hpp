// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <initializer_list>
#include <utility>

#include <weft/deadline.hpp>
#include <weft/detail/completion_range.hpp>
#include <weft/waitable.hpp>

namespace [[gnu::visibility("default")]] weft {

struct iwait_options {
  /// For all of them together, counted from the call.
  deadline timeout = {};
  /// End after so many; a duplicate counts each time.
  std::size_t count = static_cast<std::size_t>(-1);
};

/// As `as_completed`, but when the time is over the range ends, without an exception. Model:
/// gevent.iwait.
///
///     for (auto& t : weft::iwait(requests, {.timeout = 1s, .count = 3}))
///       answers.push_back(t.get());
template <waitable_range R>
[[nodiscard]] auto iwait(R&& tasks, const iwait_options& options = {}) {
  return detail::completion_range<detail::range_handle_of<R>>(
      detail::handles_of_range(std::forward<R>(tasks)), options.timeout.absolute(), options.count,
      detail::blocking_call::iwait);
}
template <waitable_item... Items>
requires(sizeof...(Items) > 0)
    [[nodiscard]] auto iwait(const iwait_options& options, Items&&... items) {
  return iwait(detail::handles_of_pack(std::forward<Items>(items)...), options);
}
template <waitable_item... Items>
requires(sizeof...(Items) > 0) [[nodiscard]] auto iwait(Items&&... items) {
  return iwait(detail::handles_of_pack(std::forward<Items>(items)...));
}
[[nodiscard]] inline auto iwait(std::initializer_list<any_task> tasks,
                                const iwait_options& options = {}) {
  return iwait(detail::handles_of_range(tasks), options);
}

} // namespace weft
