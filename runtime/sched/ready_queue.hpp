// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "weft/detail/state.hpp"

namespace weft::detail {

/// Intrusive singly linked queue with splicing at both ends. All operations O(1).
class ready_queue {
 public:
  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }
  [[nodiscard]] ready_item* front() const noexcept { return head_; }
  [[nodiscard]] ready_item* back() const noexcept { return tail_; }

  void push_back(ready_item& item) noexcept {
    item.next = nullptr;
    (head_ ? tail_->next : head_) = &item;
    tail_ = &item;
  }
  void push_front(ready_item& item) noexcept {
    item.next = head_;
    if (!head_) tail_ = &item;
    head_ = &item;
  }
  /// Takes out the only one; null, without effect, if there are none or several.
  ready_item* pop_only() noexcept {
    return head_ && head_ == tail_ ? std::exchange(head_, nullptr) : nullptr;
  }
  /// Null if there is none.
  ready_item* pop_front() noexcept {
    ready_item* item = head_;
    if (item) head_ = item->next;
    return item;
  }
  /// Moves all of `batch`, in its order, before what is here. `batch` is not empty.
  void splice_front(ready_queue& batch) noexcept {
    batch.tail_->next = head_;
    if (!head_) tail_ = batch.tail_;
    head_ = std::exchange(batch.head_, nullptr);
  }
  /// Moves all of `batch`, in its order, behind what is here. `batch` is not empty.
  void splice_back(ready_queue& batch) noexcept {
    (head_ ? tail_->next : head_) = batch.head_;
    tail_ = batch.tail_;
    batch.head_ = nullptr;
  }
  /// Moves all of `batch`, in its order, behind `place`, which is in this queue. `batch` is not
  /// empty.
  void splice_after(ready_item& place, ready_queue& batch) noexcept {
    batch.tail_->next = place.next;
    if (tail_ == &place) tail_ = batch.tail_;
    place.next = std::exchange(batch.head_, nullptr);
  }
  void reset() noexcept { head_ = nullptr; }

 private:
  ready_item* head_ = nullptr;
  ready_item* tail_ = nullptr;
};

} // namespace weft::detail
