// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace [[gnu::visibility("default")]] weft {
namespace detail {

/// Walks over items that it owns.
template <class T>
class snapshot_iterator {
 public:
  using value_type = T;
  using reference = const T&;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  explicit snapshot_iterator(std::vector<T> items) : items_(std::move(items)) {}

  reference operator*() const noexcept { return items_[place_]; }
  const T* operator->() const noexcept { return &items_[place_]; }
  snapshot_iterator& operator++() noexcept {
    ++place_;
    return *this;
  }
  void operator++(int) noexcept { ++place_; }
  friend bool operator==(const snapshot_iterator& it, std::default_sentinel_t) noexcept {
    return it.place_ == it.items_.size();
  }

 private:
  std::vector<T> items_;
  std::size_t place_ = 0;
};

} // namespace detail
} // namespace weft
