// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <exception>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/future.hpp>
#include <weft/outcome.hpp>
#include <weft/waitable.hpp>

/// A future that stands for others. Not part of the interface: see gather.
namespace [[gnu::visibility("default")]] weft {
namespace detail {

struct gathered_child {
  state_ref of;
  bool owned; // spawned here: nobody else has a handle, so its result may be taken
};
/// Makes the result of `whole` out of what its children, which are all done, ended with.
using make_gathered = void (*)(state& whole, std::span<const gathered_child> children);

/// A state of `type` that gets its outcome from the children's. `all_must_succeed`: the first that
/// does not decides at once. A request to cancel it goes to all of them.
state_ref gather_states(const state_type& type, std::vector<gathered_child> children,
                        make_gathered make, bool all_must_succeed);
bool cancel_gathered(state& whole) noexcept;

template <class T>
inline constexpr state_type gathered_type{nullptr, nullptr, drop_result_of<T>, &cancel_gathered};

/// What the handle's `get()` gives; void for any_task.
template <class Handle>
struct result_of {
  using type = void;
};
template <class Handle>
requires requires {
  typename Handle::value_type;
}
struct result_of<Handle> {
  using type = typename Handle::value_type;
};
template <class Handle>
using result_of_t = typename result_of<Handle>::type;

/// std::vector<std::unique_ptr<int>> says that it can be copied.
template <class T>
struct really_copyable : std::is_copy_constructible<T> {};
template <class T>
requires(requires { typename T::value_type; } && std::is_copy_constructible_v<T> &&
         !std::is_same_v<T, typename T::value_type>) struct really_copyable<T>
    : really_copyable<typename T::value_type> {
};

/// The value of a child that has one: moved out where nobody else can ask for it, or where it
/// cannot be copied.
template <class T>
kept_t<T> take_result(const gathered_child& child) {
  state& s = forwarded_value(*child.of);
  if constexpr (std::is_void_v<T>) {
    return {};
  } else if constexpr (std::is_reference_v<T>) {
    return *result_slot<T>::of(s);
  } else if constexpr (!really_copyable<T>::value) {
    return std::move(result_slot<T>::of(s));
  } else {
    if (child.owned) return std::move(result_slot<T>::of(s));
    return result_slot<T>::of(s);
  }
}
template <class T>
outcome<T> take_outcome(const gathered_child& child) {
  switch (child.of->outcome.load(std::memory_order_acquire)) {
  case outcome_kind::value:
  case outcome_kind::forwarded:
    return outcome<T>(take_result<T>(child));
  case outcome_kind::cancelled:
    return {outcome_exception(*child.of), true};
  default:
    return {outcome_exception(*child.of), false};
  }
}

/// How gather and gather_outcomes read a child.
struct as_results {
  static constexpr bool all_must_succeed = true;
  template <class T>
  using type = kept_t<T>;
  template <class T>
  static type<T> take(const gathered_child& child) {
    return take_result<T>(child);
  }
};
struct as_outcomes {
  static constexpr bool all_must_succeed = false;
  template <class T>
  using type = outcome<T>;
  template <class T>
  static type<T> take(const gathered_child& child) {
    return take_outcome<T>(child);
  }
};

template <class How, class... T>
struct tuple_of {
  using type = std::tuple<typename How::template type<T>...>;
  static void make(state& whole, std::span<const gathered_child> children) {
    result_slot<type>::emplace(whole, [&] {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return type{How::template take<T>(children[I])...};
      }
      (std::index_sequence_for<T...>{});
    });
  }
};
template <class How>
struct tuple_of<How> {
  using type = std::tuple<>;
  static void make(state& whole, std::span<const gathered_child>) {
    result_slot<type>::emplace(whole, [] { return type{}; });
  }
};
template <class How, class T>
struct vector_of {
  using type = std::vector<typename How::template type<T>>;
  static void make(state& whole, std::span<const gathered_child> children) {
    result_slot<type>::emplace(whole, [&] {
      type results;
      results.reserve(children.size());
      for (const auto& child : children)
        results.push_back(How::template take<T>(child));
      return results;
    });
  }
};

template <class Item>
gathered_child child_of(Item&& item) {
  const auto handle = as_handle(std::forward<Item>(item));
  state* const s = handle.internal_state();
  retain(*s);
  return {state_ref(s), !waitable<Item>};
}

template <class How, class Results>
auto gather_into(std::vector<gathered_child> children) {
  using result = typename Results::type;
  return future<result>(gather_states(gathered_type<result>, std::move(children), &Results::make,
                                      How::all_must_succeed));
}
template <class How, class R>
auto gather_range(R&& range) {
  std::vector<gathered_child> children;
  if constexpr (std::ranges::sized_range<R>) children.reserve(std::ranges::size(range));
  for (auto&& item : range)
    children.push_back(child_of(std::forward<decltype(item)>(item)));
  return gather_into<How, vector_of<How, result_of_t<range_handle_of<R>>>>(std::move(children));
}
template <class How, class... Items>
auto gather_pack(Items&&... items) {
  std::vector<gathered_child> children;
  children.reserve(sizeof...(Items));
  (children.push_back(child_of(std::forward<Items>(items))), ...);
  return gather_into<How, tuple_of<How, result_of_t<handle_of<Items>>...>>(std::move(children));
}

} // namespace detail
} // namespace weft
