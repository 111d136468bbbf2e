// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

#include <weft/detail/group_core.hpp>
#include <weft/detail/state.hpp>
#include <weft/outcome.hpp>
#include <weft/spawn.hpp>

namespace [[gnu::visibility("default")]] weft {
namespace detail {

class imap_core;

/// The tasks of one imap that were started and whose results were not taken.
class imap_tasks {
 public:
  explicit imap_tasks(bool in_order);
  imap_tasks(const imap_tasks&) = delete;
  imap_tasks& operator=(const imap_tasks&) = delete;
  /// Cancels those that run and waits until they are at their end (not inside a callback).
  ~imap_tasks();

  /// Memory for one more `add`.
  void reserve();
  void add(state& s) noexcept;
  /// How many they are.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The one whose result is next, if it is done.
  state_ref take() noexcept;
  /// Waits until another one is done than had been when `take` was last called.
  void wait();

 private:
  imap_core* core_;
  std::size_t size_ = 0;
};

/// What a task is given: a copy of the item, or, if that cannot be copied and is an lvalue, itself.
template <class View>
struct imap_item {
  using reference = std::ranges::range_reference_t<View>;
  using value = std::ranges::range_value_t<View>;
  static constexpr bool by_reference =
      std::is_lvalue_reference_v<reference> && !std::constructible_from<value, reference>;
  using type =
      std::conditional_t<by_reference, std::reference_wrapper<std::remove_reference_t<reference>>,
                         value>;
  using argument = std::conditional_t<by_reference, reference, value&&>;
};

template <class F, class View>
concept imap_function =
    std::ranges::input_range<View> && std::invocable<F&, typename imap_item<View>::argument>;

template <class F, class View>
using imap_result_t = std::invoke_result_t<F&, typename imap_item<View>::argument>;

/// Results of a function for each item of a range: an input range, walked once. See group::imap.
template <class F, class View>
class imap_range {
  using item = imap_item<View>;
  using result = imap_result_t<F, View>;

 public:
  class iterator {
   public:
    using value_type = kept_t<result>;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    explicit iterator(imap_range& range) noexcept : range_(&range) {}
    value_type& operator*() const noexcept { return *range_->work_->current; }
    value_type* operator->() const noexcept { return &*range_->work_->current; }
    iterator& operator++() {
      range_->advance();
      return *this;
    }
    void operator++(int) { range_->advance(); }
    friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept {
      return i.ended();
    }

   private:
    [[nodiscard]] bool ended() const noexcept { return !range_->work_->current; }

    imap_range* range_;
  };

  imap_range(group_core& group, F f, View view, std::size_t window, bool in_order)
      : work_(std::make_unique<work>(group, std::move(f), std::move(view), window, in_order)) {}

  /// Waits for the first; after a failure, for the next one.
  [[nodiscard]] iterator begin() {
    if (!work_->current) advance();
    return iterator(*this);
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  struct work {
    work(group_core& g, F function, View v, std::size_t most, bool in_order)
        : group(g), f(std::make_shared<F>(std::move(function))), view(std::move(v)), window(most),
          tasks(in_order) {}
    group_core& group;
    std::shared_ptr<F> f; // a task that refuses to end may outlive this inside a callback
    View view;
    std::optional<std::ranges::iterator_t<View>> input;
    bool item_there = false;
    bool input_ended = false;
    std::size_t window;
    imap_tasks tasks;
    std::optional<kept_t<result>> current;
  };

  void advance() {
    work& w = *work_;
    w.current.reset();
    while (true) {
      start_more();
      if (state_ref done = w.tasks.take()) {
        task<result> t(std::move(done));
        if constexpr (std::is_void_v<result>) {
          t.get();
          w.current.emplace();
        } else {
          w.current.emplace(std::move(t).get());
        }
        return;
      }
      if (w.tasks.size() == 0) return;
      w.tasks.wait();
    }
  }

  void start_more() {
    work& w = *work_;
    while (w.tasks.size() < w.window && next_item()) {
      // Waiting for room is for those of whom nothing runs that could make some.
      group_slot slot(w.group, w.tasks.size() > 0 ? group_slot::no_wait : INT64_MAX);
      if (!slot) return;
      w.tasks.reserve();
      auto t = spawn(
          [f = w.f](typename item::type given) -> result {
            return std::invoke(*f, static_cast<typename item::argument>(given));
          },
          typename item::type(**w.input));
      w.item_there = false;
      slot.fill(*t.internal_state());
      w.tasks.add(*t.internal_state());
    }
  }

  /// Asks the input for an item only when there is something to be done with it.
  bool next_item() {
    work& w = *work_;
    if (w.item_there) return true;
    if (w.input_ended) return false;
    w.input_ended = true; // also if it throws
    if (w.input)
      ++*w.input;
    else
      w.input.emplace(std::ranges::begin(w.view));
    if (*w.input == std::ranges::end(w.view)) return false;
    w.input_ended = false;
    return w.item_there = true;
  }

  std::unique_ptr<work> work_;
};

} // namespace detail
} // namespace weft
