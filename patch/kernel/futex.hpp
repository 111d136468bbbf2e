// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include "patch/kernel/green.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/list.hpp"

namespace weft::patch {

/// futex(2) among green threads: wait queues in user space, keyed by the word's address.
///
/// A wake costs no system call, waiter or not. Words in memory shared with other processes
/// are treated alike; waiters in other processes are not reached (patch/README.md, limits).
class futex_table {
 public:
  /// FUTEX_WAIT[_BITSET] with an absolute monotonic deadline.
  /// 0, -EAGAIN (the word differs), -ETIMEDOUT, or a restart code after a signal.
  long wait(green& g, std::uint32_t* word, std::uint32_t expected, std::uint32_t bitset,
            core::nanoseconds deadline) noexcept;

  /// Wakes up to `most` waiters of `word`, first come first served. Returns how many.
  long wake(std::uint32_t* word, int most, std::uint32_t bitset) noexcept;

  /// Wakes up to `most_woken`, moves up to `most_moved` of the others to `to`. The count of both.
  long requeue(std::uint32_t* from, std::uint32_t* to, int most_woken, int most_moved) noexcept;

  /// FUTEX_WAKE_OP.
  long wake_op(std::uint32_t* first, std::uint32_t* second, int most_first, int most_second,
               std::uint32_t operation) noexcept;

  /// FUTEX_LOCK_PI: owner's tid in the word, handed over by unlock_pi. Priorities mean nothing
  /// among green threads; the ownership protocol is the kernel's.
  long lock_pi(green& g, std::uint32_t* word, core::nanoseconds deadline) noexcept;
  long trylock_pi(green& g, std::uint32_t* word) noexcept;
  long unlock_pi(green& g, std::uint32_t* word) noexcept;
  /// FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI: a wait on `word` that ends owning `lock`.
  long wait_requeue_pi(green& g, std::uint32_t* word, std::uint32_t expected, std::uint32_t bitset,
                       core::nanoseconds deadline, std::uint32_t* lock) noexcept;
  long requeue_pi(std::uint32_t* from, std::uint32_t* to, int most_moved) noexcept;

  /// Hands a PI lock on to its first waiter, or frees it; `flags` go into the word too.
  void hand_over(std::uint32_t* word, std::uint32_t flags) noexcept;

  /// In a fork's child: nobody waits.
  void reset() noexcept;

 private:
  static constexpr unsigned buckets = 4096;
  using bucket = core::list<futex_waiter>;
  bucket& of(const std::uint32_t* word) noexcept;
  /// Puts g, the caller, among the waiters of `word`: for any wake-up, and no lock.
  futex_waiter& queue(green& g, std::uint32_t* word) noexcept;
  long sleep(green& g, core::nanoseconds deadline) noexcept;

  bucket table_[buckets];
};

/// Marks the robust mutexes that g holds as FUTEX_OWNER_DIED and wakes a waiter of each.
void walk_robust_list(green& g) noexcept;

} // namespace weft::patch
