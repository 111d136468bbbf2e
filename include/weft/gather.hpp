// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tuple>
#include <utility>
#include <vector>

#include <weft/detail/gathering.hpp>
#include <weft/future.hpp>
#include <weft/outcome.hpp>
#include <weft/waitable.hpp>

namespace [[gnu::visibility("default")]] weft {

/// A future of all results, in the order of the arguments: a tuple for a pack, a vector for a
/// range. Model: asyncio.gather.
///
///     auto [page, size] = weft::gather(fetch_task, [] { return measure(); }).get();
///     std::vector<int> all = weft::gather(tasks).get();
///
/// Accepts what joinall accepts: tasks, futures (so it nests) and callables, which are spawned.
/// Never blocks: keep the future and get it later, or never; the children run in any case. Of
/// nothing: done at once. A duplicate gives its result as often as it was passed.
///
/// - void becomes std::monostate, T& std::reference_wrapper<T>, an any_task's result is dropped
///   (std::monostate). Results are copied; moved out of the children if they cannot be copied, and
///   out of callables, to which nobody else has a handle.
/// - The first child that fails, or that somebody cancels, decides: `get()` rethrows its exception
///   (`task_cancelled`) at once, and the others run on. Later failures are dropped.
/// - Cancelling the future cancels all children; when they have all ended it is cancelled, or has
///   the exception of the first that failed. So does cancelling a fiber (or the end of its
///   timeout_scope's time) while it waits in `get`, `wait` or `join` of the future: once the
///   children have ended, the exception is thrown there. `shield` keeps a child out of that.
///   Who waits by joinall, wait or as_completed leaves the children alone.
///
/// Any thread, callbacks included. Throws `future_error` for an empty handle, std::bad_alloc.
template <waitable_range R>
[[nodiscard]] auto gather(R&& tasks) {
  return detail::gather_range<detail::as_results>(std::forward<R>(tasks));
}
template <waitable_item... Items>
[[nodiscard]] auto gather(Items&&... items) {
  return detail::gather_pack<detail::as_results>(std::forward<Items>(items)...);
}

/// The same, but of how each one ended: `outcome<T>` instead of T. It never fails; it is cancelled
/// if it was itself cancelled, when all children have ended. Model: asyncio.gather with
/// return_exceptions=True.
///
///     auto [a, b] = weft::gather_outcomes(first, second).get();
///     if (a.cancelled()) retry();
template <waitable_range R>
[[nodiscard]] auto gather_outcomes(R&& tasks) {
  return detail::gather_range<detail::as_outcomes>(std::forward<R>(tasks));
}
template <waitable_item... Items>
[[nodiscard]] auto gather_outcomes(Items&&... items) {
  return detail::gather_pack<detail::as_outcomes>(std::forward<Items>(items)...);
}

} // namespace weft
