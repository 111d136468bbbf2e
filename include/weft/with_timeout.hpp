// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <weft/deadline.hpp>
#include <weft/spawn.hpp>
#include <weft/waitable.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {
/// Throws std::logic_error inside a callback.
void check_may_wait();
/// Returns once `s` is done and its outcome counts.
void wait_with_timeout(state& s, std::int64_t until);
} // namespace detail

/// The result of a task, or of a callable, which is spawned with its arguments, if it comes in
/// time. When the time is over it is cancelled, and waited for until it has ended; then throws
/// `timeout_error`. Model: asyncio.wait_for, asyncio.timeout.
///
///     auto page = weft::with_timeout(2s, fetch, url);
///     const int n = weft::with_timeout(100ms, task);
///
/// - If it swallowed the request, its value is returned after all; what else it throws propagates.
///   If it was cancelled in time by somebody else: `task_cancelled`.
/// - If the caller is cancelled meanwhile, so is the task; when it has ended the caller's own
///   `cancelled` is thrown. The same with a timeout_scope whose time is over.
/// - `shield(task)` keeps the task out of both: the call then ends without waiting for it.
/// - A time of zero or less: the result if it is done already; what was not started never runs.
///
/// Returns what the handle's `get()` returns: of an lvalue `const T&` into the task, of an rvalue
/// and a callable T. Nested, and with scopes around, each time-out is told from the others by where
/// it is thrown: the outer one cancels the fiber that waits for the inner.
///
/// Parks the fiber, or blocks a thread without a hub; a switch point unless it is done already.
/// Throws std::logic_error inside a callback, `deadlock_error` if the caller passes itself.
template <waitable Handle>
decltype(auto) with_timeout(deadline limit, Handle&& task) {
  if (!task.valid()) detail::throw_empty_handle();
  detail::wait_with_timeout(*task.internal_state(), limit.absolute());
  return std::forward<Handle>(task).get();
}
template <class F, class... Args>
requires(!waitable<F> && std::invocable<std::decay_t<F>, std::decay_t<Args>...>) auto with_timeout(
    deadline limit, F&& f, Args&&... args) -> detail::spawn_result_t<F, Args...> {
  detail::check_may_wait();
  const std::int64_t until = limit.absolute();
  auto task = spawn(std::forward<F>(f), std::forward<Args>(args)...);
  detail::wait_with_timeout(*task.internal_state(), until);
  return std::move(task).get();
}

} // namespace weft
