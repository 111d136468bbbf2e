// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>

#include "weft/detail/inbox_item.hpp"

namespace weft::detail {

/// Lock-free queue with many writers and one reader, which takes all at once.
class inbox {
 public:
  enum class posted { first, more, refused };

  /// `first`: the inbox was empty, so its reader may have to be woken. `refused`: it is closed.
  posted post(inbox_item& item) noexcept {
    inbox_item* head = head_.load(std::memory_order_relaxed);
    do {
      if (head == closed()) return posted::refused;
      item.next_in_inbox = head;
    } while (!head_.compare_exchange_weak(head, &item, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
    return head ? posted::more : posted::first;
  }

  [[nodiscard]] bool empty() const noexcept {
    const inbox_item* const head = head_.load(std::memory_order_seq_cst);
    return head == nullptr || head == closed();
  }

  [[nodiscard]] bool is_closed() const noexcept {
    return head_.load(std::memory_order_acquire) == closed();
  }

  /// Takes what is in, oldest first.
  inbox_item* take() noexcept {
    const inbox_item* const head = head_.load(std::memory_order_relaxed);
    if (head == nullptr || head == closed()) return nullptr; // only the reader closes it
    return oldest_first(head_.exchange(nullptr, std::memory_order_acquire));
  }
  /// The same, and refuses all that comes later.
  inbox_item* close() noexcept {
    return oldest_first(head_.exchange(closed(), std::memory_order_acq_rel));
  }
  /// `open`: for the hub that lives on.
  void reset_after_fork(bool open) noexcept {
    head_.store(open ? nullptr : closed(), std::memory_order_relaxed);
  }

 private:
  static inbox_item* closed() noexcept {
    static inbox_item mark;
    return &mark;
  }
  static inbox_item* oldest_first(inbox_item* newest) noexcept {
    inbox_item* oldest = nullptr;
    while (newest) {
      inbox_item* older = newest->next_in_inbox;
      newest->next_in_inbox = oldest;
      oldest = newest;
      newest = older;
    }
    return oldest;
  }

  std::atomic<inbox_item*> head_{nullptr};
};

} // namespace weft::detail
