// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>

namespace [[gnu::visibility("default")]] weft {
namespace detail {

/// Takes items out of a queue or channel one by one, until `next_item` says that there are no more.
template <class Source>
class item_iterator {
 public:
  using value_type = typename Source::value_type;
  using reference = value_type&;
  using pointer = value_type*;
  using difference_type = std::ptrdiff_t;
  using iterator_category = std::input_iterator_tag;
  using iterator_concept = std::input_iterator_tag;

  explicit item_iterator(Source& source) : source_(&source) { ++*this; }

  reference operator*() const noexcept { return *item_; }
  pointer operator->() const noexcept { return &*item_; }
  item_iterator& operator++() {
    item_.reset();
    if (source_ && !source_->next_item(item_)) source_ = nullptr;
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const item_iterator& it, std::default_sentinel_t) noexcept {
    return it.source_ == nullptr;
  }

 private:
  Source* source_; // null: at the end
  mutable std::optional<value_type> item_;
};

} // namespace detail
} // namespace weft
