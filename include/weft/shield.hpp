// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <utility>

#include <weft/detail/gathering.hpp>
#include <weft/future.hpp>
#include <weft/waitable.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {
state_ref shield_state(const state_type& type, state& inner);
} // namespace detail

/// A future that ends as the task does, but whose cancellation does not reach it: it is cancelled
/// itself, at once, and the task runs on. Model: asyncio.shield.
///
///     auto saved = weft::spawn(save);
///     weft::with_timeout(1s, weft::shield(saved));  // gives up waiting, not saving
///
/// For what is passed to gather, with_timeout, or awaited by a coroutine, which pass cancellation
/// on; a fiber that waits in `get` or `join` of a plain task never does. Takes a task, a future, or
/// a callable, which is spawned. The value stays with the task and is not copied: `get` refers to
/// it, `std::move(f).get()` takes it out of the task.
///
/// Never blocks. Any thread. Throws `future_error` for an empty handle, std::bad_alloc.
template <waitable_or_callable Item>
[[nodiscard]] auto shield(Item&& item) {
  using result = detail::result_of_t<detail::handle_of<Item>>;
  const auto inner = detail::as_handle(std::forward<Item>(item));
  return future<result>(
      detail::shield_state(detail::promise_type<result>, *inner.internal_state()));
}

} // namespace weft
