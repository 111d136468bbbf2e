// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

/// What a queue keeps its items in, each with the order in which they come out. All have
///
/// - `push(T&& item)`: if it throws, nothing has changed (but what T's own move did to `item`);
/// - `T& next()`: the one that comes out next;
/// - `take(f)`: calls `f(T&&)` with it and removes it; if anything throws, it is still there;
/// - `size()`.
///
/// An item whose move may throw is kept in a block of its own, so that items never have to be
/// moved where an exception would lose one.
namespace [[gnu::visibility("default")]] weft {
namespace detail {

template <class T>
inline constexpr bool moves_safely =
    std::is_nothrow_move_constructible_v<T>&& std::is_nothrow_move_assignable_v<T>;

template <class T>
struct kept_item {
  using type = std::conditional_t<moves_safely<T>, T, std::unique_ptr<T>>;
  static type make(T&& item) {
    if constexpr (moves_safely<T>)
      return std::move(item);
    else
      return std::make_unique<T>(std::move(item));
  }
  static T& of(type& in) noexcept {
    if constexpr (moves_safely<T>)
      return in;
    else
      return *in;
  }
};

/// First in, first out: a ring that grows, and never shrinks.
template <class T>
class fifo_order {
  using slot = typename kept_item<T>::type;

 public:
  fifo_order() noexcept = default;
  fifo_order(const fifo_order&) = delete;
  fifo_order& operator=(const fifo_order&) = delete;
  ~fifo_order() {
    for (std::size_t i = 0; i < size_; ++i)
      std::destroy_at(&at(i));
    release(slots_, capacity_);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] T& next() noexcept { return kept_item<T>::of(at(0)); }

  void push(T&& item) {
    if (size_ == capacity_) grow();
    std::construct_at(&at(size_), kept_item<T>::make(std::move(item)));
    ++size_;
  }

  template <class F>
  void take(F&& f) {
    f(std::move(next()));
    std::destroy_at(&at(0));
    first_ = (first_ + 1) & (capacity_ - 1);
    --size_;
  }

 private:
  slot& at(std::size_t i) noexcept { return slots_[(first_ + i) & (capacity_ - 1)]; }
  static void release(slot* slots, std::size_t n) noexcept {
    if (slots) std::allocator<slot>().deallocate(slots, n);
  }

  void grow() {
    const std::size_t larger = capacity_ ? 2 * capacity_ : 8;
    slot* const to = std::allocator<slot>().allocate(larger);
    for (std::size_t i = 0; i < size_; ++i) {
      std::construct_at(to + i, std::move(at(i)));
      std::destroy_at(&at(i));
    }
    release(std::exchange(slots_, to), std::exchange(capacity_, larger));
    first_ = 0;
  }

  slot* slots_ = nullptr;
  std::size_t capacity_ = 0; // zero or a power of two
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

/// Last in, first out.
template <class T>
class lifo_order {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
  [[nodiscard]] T& next() noexcept { return kept_item<T>::of(items_.back()); }
  void push(T&& item) {
    if (items_.size() == items_.capacity()) items_.reserve(2 * items_.size() + 8);
    items_.push_back(kept_item<T>::make(std::move(item)));
  }
  template <class F>
  void take(F&& f) {
    f(std::move(next()));
    items_.pop_back();
  }

 private:
  std::vector<typename kept_item<T>::type> items_;
};

/// The one that `Compare` puts before all others, and of equals the oldest: a binary heap. All
/// comparisons come before the first move, so that one that throws leaves everything as it was.
template <class T, class Compare>
class priority_order {
  struct entry {
    typename kept_item<T>::type item;
    std::uint64_t number;
  };

 public:
  explicit priority_order(Compare compare = {}) : before_(std::move(compare)) {}

  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }
  [[nodiscard]] T& next() noexcept { return kept_item<T>::of(heap_.front().item); }

  void push(T&& item) {
    std::size_t place = heap_.size();
    while (place > 0 && before_(item, at((place - 1) / 2)))
      place = (place - 1) / 2;
    if (heap_.size() == heap_.capacity()) heap_.reserve(2 * heap_.size() + 8);
    entry added{kept_item<T>::make(std::move(item)), next_number_};
    ++next_number_;
    std::size_t hole = heap_.size();
    if (hole == place) {
      heap_.push_back(std::move(added));
      return;
    }
    heap_.push_back(std::move(heap_[(hole - 1) / 2])); // there is room: nothing throws any more
    for (hole = (hole - 1) / 2; hole != place; hole = (hole - 1) / 2)
      heap_[hole] = std::move(heap_[(hole - 1) / 2]);
    heap_[hole] = std::move(added);
  }

  template <class F>
  void take(F&& f) {
    // Where the hole at the top sinks to, and which child moves up at each step.
    std::size_t path[64];
    std::size_t depth = 0;
    const std::size_t last = heap_.size() - 1;
    for (std::size_t child = 1; child < last; child = 2 * child + 1) {
      if (child + 1 < last && comes_before(child + 1, child)) ++child;
      if (!comes_before(child, last)) break;
      path[depth++] = child;
    }
    f(std::move(next()));
    std::size_t hole = 0;
    for (std::size_t i = 0; i < depth; ++i) {
      heap_[hole] = std::move(heap_[path[i]]);
      hole = path[i];
    }
    if (hole != last) heap_[hole] = std::move(heap_[last]);
    heap_.pop_back();
  }

 private:
  T& at(std::size_t i) noexcept { return kept_item<T>::of(heap_[i].item); }
  bool comes_before(std::size_t a, std::size_t b) {
    if (before_(std::as_const(at(a)), std::as_const(at(b)))) return true;
    if (before_(std::as_const(at(b)), std::as_const(at(a)))) return false;
    return heap_[a].number < heap_[b].number;
  }

  Compare before_;
  std::vector<entry> heap_;
  std::uint64_t next_number_ = 0;
};

} // namespace detail
} // namespace weft
