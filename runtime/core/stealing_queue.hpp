// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weft::core {

/// A worker's queue of what others may take: one owner puts in and takes out, anybody steals half.
/// First in, first out; lock-free; holds pointers, at most `capacity` of them: what does not fit
/// goes wherever the owner likes. Model: the run queue of Go's scheduler.
///
/// `empty` and `push` are sequentially consistent, as idle_workers asks for.
template <class T, std::size_t capacity = 256>
class stealing_queue {
  static_assert((capacity & (capacity - 1)) == 0);

 public:
  static constexpr std::size_t most_stolen = capacity / 2;

  [[nodiscard]] bool empty() const noexcept {
    // The tail last: the head only grows, so a queue that looks empty was so at that moment.
    const std::uint64_t head = head_.load(std::memory_order_seq_cst);
    return head == tail_.load(std::memory_order_seq_cst);
  }

  /// The owner. False: it is full.
  bool push(T& item) noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == capacity) return false;
    slot(tail).store(&item, std::memory_order_relaxed);
    tail_.store(tail + 1, std::memory_order_seq_cst);
    return true;
  }

  /// The owner: the oldest, or null.
  T* pop() noexcept {
    std::uint64_t head = head_.load(std::memory_order_acquire);
    while (head != tail_.load(std::memory_order_relaxed)) {
      T* const item = slot(head).load(std::memory_order_relaxed);
      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire))
        return item;
    }
    return nullptr;
  }

  /// The older half (of one, that one), at most `most`, moved to `out` in their order; says how
  /// many. Anybody, the owner included.
  std::size_t steal(T** out, std::size_t most = most_stolen) noexcept {
    while (true) {
      std::uint64_t head = head_.load(std::memory_order_acquire);
      const std::uint64_t there = tail_.load(std::memory_order_acquire) - head;
      if (there > capacity) continue; // the head is of long ago
      std::uint64_t count = there - there / 2;
      if (count > most) count = most;
      if (count == 0) return 0;
      for (std::uint64_t i = 0; i < count; ++i)
        out[i] = slot(head + i).load(std::memory_order_relaxed);
      // They may have been overwritten meanwhile: then the head has moved.
      if (head_.compare_exchange_strong(head, head + count, std::memory_order_acq_rel,
                                        std::memory_order_relaxed))
        return count;
    }
  }

 private:
  std::atomic<T*>& slot(std::uint64_t place) noexcept { return slots_[place % capacity]; }

  alignas(64) std::atomic<std::uint64_t> head_{0}; // the next to be taken, by anybody
  alignas(64) std::atomic<std::uint64_t> tail_{0}; // the next to be put in, by the owner
  std::atomic<T*> slots_[capacity]{};
};

} // namespace weft::core
