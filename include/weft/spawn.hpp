// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <weft/deadline.hpp>
#include <weft/task.hpp>

namespace [[gnu::visibility("default")]] weft {

/// Whose thread-local variables, errno and thread id a fiber has.
enum class fiber_identity : std::uint8_t {
  /// Under the patch (weft/patch.hpp) its own: to the C library such a fiber is a thread, so that
  /// whatever blocks there may be called in it. Without the patch: its thread's, as `shared`.
  own,
  /// Its thread's. The light kind, for fibers that block in weft's calls only: what blocks in the C
  /// library blocks the thread with all its fibers.
  shared,
};
/// `spawn({.identity = weft::shared}, f)`.
inline constexpr auto shared = fiber_identity::shared;

/// How a fiber is to be made: `spawn({.name = "reader", .stack_size = 1 << 20}, f)`.
struct spawn_options {
  /// For reports; copied.
  std::string_view name = {};
  /// Usable bytes of stack; 0: the default (60 KiB, or WEFT_FIBER_STACK_SIZE; with an identity of
  /// its own, what pthread_create gives). Rounded up; at most 2 GiB, else std::length_error.
  /// Untouched pages cost address space only.
  std::size_t stack_size = 0;
  fiber_identity identity = fiber_identity::own;
};

namespace detail {

/// A new fiber's block: one count is the handle's, one the fiber's. Not queued yet.
state& new_fiber(const state_type& type, const spawn_options* options);
/// The same, without options, and queued; the callable counts as in place.
state& new_queued_fiber(const state_type& type);
void queue_fiber(state& s) noexcept;
void start_fiber_at(state& s, std::int64_t when);
void discard_fiber(state& s) noexcept;

/// A callable with its arguments, decay-copied; called once.
template <class F, class... Args>
struct bound_call {
  F callable;
  [[no_unique_address]] std::tuple<Args...> arguments;
  decltype(auto) operator()() {
    return std::apply(
        [&](Args&... args) -> decltype(auto) {
          return std::invoke(std::move(callable), std::move(args)...);
        },
        arguments);
  }
};
template <class F>
struct bound_call<F> {
  F callable;
  decltype(auto) operator()() { return std::invoke(std::move(callable)); }
};

template <class F>
void refuse_null(const F& f) {
  if constexpr (std::is_pointer_v<F> || std::is_member_pointer_v<F> || requires {
                  typename F::result_type;
                  { f == nullptr } -> std::same_as<bool>;
                })
    if (f == nullptr)
      throw std::invalid_argument("weft: the callable is null; give it something to call");
}

template <class T, class Bound>
void emplace_callable(state& s, Bound&& bound) {
  using slot = callable_slot<T, std::decay_t<Bound>>;
  auto* at = static_cast<void*>(s.storage + slot::offset);
  if constexpr (slot::is_inline)
    ::new (at) std::decay_t<Bound>(std::forward<Bound>(bound));
  else
    ::new (at) std::decay_t<Bound>*(new std::decay_t<Bound>(std::forward<Bound>(bound)));
}

template <class F, class... Args>
using spawn_result_t = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;
template <class F, class... Args>
using bound_call_t = bound_call<std::decay_t<F>, std::decay_t<Args>...>;

template <class F, class... Args>
auto bind_call(F&& f, Args&&... args) -> bound_call_t<F, Args...> {
  refuse_null(f);
  if constexpr (sizeof...(Args) == 0)
    return {std::forward<F>(f)};
  else
    return {std::forward<F>(f), std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)};
}

/// `s`, a new fiber, with its callable in place; `start` queues it.
template <class T, class Bound, class Start>
task<T> make_task_of(state& s, Bound&& bound, Start&& start) {
  try {
    emplace_callable<T>(s, std::forward<Bound>(bound));
    s.set(has_callable);
    start(s);
  } catch (...) {
    discard_fiber(s);
    throw;
  }
  return task<T>(state_ref(&s));
}
template <class T, class Bound, class Start>
task<T> make_task(const spawn_options* options, Bound&& bound, Start&& start) {
  return make_task_of<T>(new_fiber(fiber_type<T, std::decay_t<Bound>>, options),
                         std::forward<Bound>(bound), std::forward<Start>(start));
}

} // namespace detail

/// Queues a new fiber on this thread's hub (made if there is none) that calls `f(args...)`, and
/// returns its handle. Never runs it inline: it starts when the caller next blocks or yields.
///
/// Takes anything invocable; callable and arguments are decay-copied and given to the call as
/// rvalues, as std::thread does (std::ref for references). Fibers spawned in one go start in that
/// order, before older ready fibers, under a budget that keeps the hub fair. Model: gevent.spawn,
/// asyncio.create_task, Go's `go`.
///
/// What `f` throws is kept for `get()`; if the last handle goes and nobody looked, it is reported
/// to the error handler. Never blocks, no switch point. Throws std::bad_alloc, what copying
/// throws, and std::invalid_argument for a null function.
template <class F, class... Args>
requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
[[nodiscard]] auto spawn(F&& f, Args&&... args) -> task<detail::spawn_result_t<F, Args...>> {
  using result = detail::spawn_result_t<F, Args...>;
  using bound = detail::bound_call_t<F, Args...>;
  bound call = detail::bind_call(std::forward<F>(f), std::forward<Args>(args)...);
  if constexpr (std::is_nothrow_move_constructible_v<bound> &&
                detail::callable_slot<result, bound>::is_inline) {
    // Nothing can fail between queueing and emplacing: one call into the library.
    detail::state& s = detail::new_queued_fiber(detail::fiber_type<result, bound>);
    detail::emplace_callable<result>(s, std::move(call));
    return task<result>(detail::state_ref(&s));
  } else {
    return detail::make_task<result>(nullptr, std::move(call),
                                     [](detail::state& s) { detail::queue_fiber(s); });
  }
}

/// The same with options.
template <class F, class... Args>
requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
[[nodiscard]] auto spawn(const spawn_options& options, F&& f, Args&&... args)
    -> task<detail::spawn_result_t<F, Args...>> {
  return detail::make_task<detail::spawn_result_t<F, Args...>>(
      &options, detail::bind_call(std::forward<F>(f), std::forward<Args>(args)...),
      [](detail::state& s) { detail::queue_fiber(s); });
}

/// The same, started at a time: after a span, or at a time point. Cancelled before, its body never
/// runs. Model: gevent.spawn_later.
template <class F, class... Args>
requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
[[nodiscard]] auto spawn_later(deadline when, F&& f, Args&&... args)
    -> task<detail::spawn_result_t<F, Args...>> {
  return detail::make_task<detail::spawn_result_t<F, Args...>>(
      nullptr, detail::bind_call(std::forward<F>(f), std::forward<Args>(args)...),
      [when](detail::state& s) { detail::start_fiber_at(s, when.absolute()); });
}

} // namespace weft
