// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <weft/hub_handle.hpp>
#include <weft/spawn.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {
/// A fiber for that hub. Throws std::invalid_argument if there is none.
state& new_fiber_on(const hub_handle& on, const state_type& type, const spawn_options* options);
void queue_fiber_on(const hub_handle& on, state& s) noexcept;
/// A fiber for any hub of this thread's group.
state& new_fiber_for_any(const state_type& type, const spawn_options* options);
void queue_fiber_for_any(state& s) noexcept;

template <class T, class Bound>
task<T> spawn_bound_on(const hub_handle& on, const spawn_options* options, Bound&& call) {
  return make_task_of<T>(new_fiber_on(on, fiber_type<T, std::decay_t<Bound>>, options),
                         std::forward<Bound>(call), [&](state& s) { queue_fiber_on(on, s); });
}
template <class T, class Bound>
task<T> spawn_bound_for_any(const spawn_options* options, Bound&& call) {
  return make_task_of<T>(new_fiber_for_any(fiber_type<T, std::decay_t<Bound>>, options),
                         std::forward<Bound>(call), [](state& s) { queue_fiber_for_any(s); });
}
} // namespace detail

/// As `spawn`, but the fiber is of hub `on`, and of no other, and any thread may call. What one
/// thread sends to a hub starts in that order, behind all that is ready there; on the caller's own
/// hub it is `spawn`.
///
/// The handle is the usual one: to be joined, waited for, cancelled from any hub or thread. What
/// is left of callable and arguments is destroyed on the fiber's hub, the result where the last
/// handle goes. If the hub has ended, or ends before the fiber started, the task is cancelled.
/// Never blocks, no switch point. Throws as `spawn`, and std::invalid_argument for a handle that
/// refers to no hub.
///
///     weft::run([&] {
///       const std::vector<weft::hub_handle> hubs = weft::hubs();
///       weft::task<int> there = weft::spawn_on(hubs.back(), [](int x) { return x * 2; }, 21);
///       answer = there.get();  // parks this fiber, and only this one
///     }, {.workers = 2});
template <class F, class... Args>
requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
[[nodiscard]] auto spawn_on(const hub_handle& on, F&& f, Args&&... args)
    -> task<detail::spawn_result_t<F, Args...>> {
  return detail::spawn_bound_on<detail::spawn_result_t<F, Args...>>(
      on, nullptr, detail::bind_call(std::forward<F>(f), std::forward<Args>(args)...));
}

/// The same with options.
template <class F, class... Args>
requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
[[nodiscard]] auto spawn_on(const hub_handle& on, const spawn_options& options, F&& f,
                            Args&&... args) -> task<detail::spawn_result_t<F, Args...>> {
  return detail::spawn_bound_on<detail::spawn_result_t<F, Args...>>(
      on, &options, detail::bind_call(std::forward<F>(f), std::forward<Args>(args)...));
}

/// As `spawn`, but the fiber starts on whichever hub of this `run` has time for it first, and is
/// that one's from then on. The caller's hub starts it itself when it has nothing else to do, and
/// now and then before; idle ones look for such fibers, and are woken for them. Of those that one
/// hub spawned, the oldest are started first, as far as several hubs have an order.
///
/// The handle is the usual one, as `spawn_on`'s. A fiber that is cancelled before it started never
/// runs. Where there is one hub (`run` without workers, or no `run` at all), it is `spawn`. Never
/// blocks, no switch point. Throws as `spawn`.
///
///     const std::vector<unsigned> totals = weft::run([&] {
///       std::vector<weft::task<unsigned>> parts;
///       for (const std::string& text : texts)
///         parts.push_back(weft::spawn_any([&text] { return words_in(text); }));
///       return weft::gather(parts).get();
///     }, {.workers = weft::all_processors});
template <class F, class... Args>
requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
[[nodiscard]] auto spawn_any(F&& f, Args&&... args) -> task<detail::spawn_result_t<F, Args...>> {
  return detail::spawn_bound_for_any<detail::spawn_result_t<F, Args...>>(
      nullptr, detail::bind_call(std::forward<F>(f), std::forward<Args>(args)...));
}

/// The same with options.
template <class F, class... Args>
requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
[[nodiscard]] auto spawn_any(const spawn_options& options, F&& f, Args&&... args)
    -> task<detail::spawn_result_t<F, Args...>> {
  return detail::spawn_bound_for_any<detail::spawn_result_t<F, Args...>>(
      &options, detail::bind_call(std::forward<F>(f), std::forward<Args>(args)...));
}

} // namespace weft
