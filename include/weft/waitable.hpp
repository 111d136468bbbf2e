// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/spawn.hpp>
#include <weft/task.hpp>

/// What the functions for many (joinall, wait, as_completed, gather, ...) accept: ranges and packs
/// of tasks, futures and callables.
namespace [[gnu::visibility("default")]] weft {

/// Something that can be waited for: a task, a future, an any_task.
template <class T>
concept waitable = std::derived_from<std::remove_cvref_t<T>, future_base>;

/// The same, or a callable, which is spawned.
template <class T>
concept waitable_or_callable = waitable<T> || std::invocable<std::decay_t<T>>;

/// A range of such.
template <class R>
concept waitable_range =
    std::ranges::input_range<R> && waitable_or_callable<std::ranges::range_reference_t<R>>;

/// One of a pack of such: no range itself.
template <class T>
concept waitable_item = waitable_or_callable<T> && !waitable_range<T>;

namespace detail {

[[noreturn]] void throw_empty_handle();

/// A handle as it is, a callable spawned.
template <class T>
auto as_handle(T&& item) {
  if constexpr (waitable<T>) {
    if (!item.valid()) throw_empty_handle();
    return std::remove_cvref_t<T>(std::forward<T>(item));
  } else {
    return spawn(std::forward<T>(item));
  }
}
template <class T>
using handle_of = decltype(as_handle(std::declval<T>()));

template <class R>
using range_handle_of = handle_of<std::ranges::range_reference_t<R>>;

template <class R>
auto handles_of_range(R&& range) {
  std::vector<range_handle_of<R>> handles;
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
std::vector<Handle> pick_handles(const std::vector<Handle>& handles,
                                 const std::vector<std::size_t>& places) {
  std::vector<Handle> picked;
  picked.reserve(places.size());
  for (const std::size_t place : places)
    picked.push_back(handles[place]);
  return picked;
}

} // namespace detail
} // namespace weft
