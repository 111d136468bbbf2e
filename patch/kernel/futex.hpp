// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <linux/futex.h>

#include <cstdint>

#include "patch/kernel/green.hpp"
#include "patch/kernel/shared_memory.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/list.hpp"

namespace weft::patch {

/// futex(2) among green threads: wait queues in user space, keyed by the word's address.
///
/// A wake costs no system call, waiter or not, unless the word may have waiters that are no green
/// threads of this process: because it is in shared memory and the call is not a private one, or
/// because weft knows of kernel threads that it did not make. Who waits for such a word waits in
/// the kernel, and wakes go there, which then counts and orders them all.
class futex_table {
 public:
  /// Whether that is so.
  [[nodiscard]] bool reaches_outside(const std::uint32_t* word, bool is_private) noexcept {
    return outsiders_ || (!is_private && shared.contains(word));
  }
  /// Whether no word of a private call has.
  [[nodiscard]] bool all_within() const noexcept { return !outsiders_; }
  /// From now on any word may have waiters that weft knows nothing of. Any thread,
  /// async-signal-safe.
  void expect_outsiders() noexcept {
    outsiders_ = true;
    weft_futex_lists.store(nullptr);
  }
  /// Has the entry stub answer wakes that find nobody, while all waiters are within. For where one
  /// worker runs at a time: with several a look without the lock could miss who is about to wait.
  void answer_at_once() noexcept;

  /// Wakes up to `most` waiters, wherever they are. The count, or -EINVAL, -EFAULT.
  long wake_everywhere(std::uint32_t* word, int most, std::uint32_t bitset,
                       bool is_private) noexcept;

  /// FUTEX_WAIT[_BITSET] of a word that has no waiters outside, with an absolute monotonic
  /// deadline. 0, -EAGAIN (the word differs), -ETIMEDOUT, or a restart code after a signal.
  long wait(green& g, std::uint32_t* word, std::uint32_t expected, std::uint32_t bitset,
            core::nanoseconds deadline) noexcept;

  /// Wakes up to `most` green threads that wait for `word`, first come first served. Returns how
  /// many.
  long wake(std::uint32_t* word, int most, std::uint32_t bitset) noexcept;

  /// Wakes up to `most_woken`, moves up to `most_moved` of the others to `to`. The count of both.
  long requeue(std::uint32_t* from, std::uint32_t* to, int most_woken, int most_moved) noexcept;

  /// FUTEX_CMP_REQUEUE, or FUTEX_REQUEUE without `expected`, wherever the waiters are.
  long requeue_everywhere(std::uint32_t* from, std::uint32_t* to, int most_woken, int most_moved,
                          const std::uint32_t* expected, bool is_private) noexcept;

  /// A wait for several words, none of which has waiters outside, until one of them is woken.
  /// `waiters` are as many as there are words, for this call's use. Which one, or as `wait`.
  long wait_any(green& g, const futex_waitv* words, futex_waiter* waiters, unsigned count,
                core::nanoseconds deadline) noexcept;

  /// FUTEX_WAKE_OP.
  long wake_op(std::uint32_t* first, std::uint32_t* second, int most_first, int most_second,
               std::uint32_t operation, bool is_private = true) noexcept;

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

  shared_memory shared;

 private:
  using bucket = core::list<futex_waiter>;
  bucket& of(const std::uint32_t* word) noexcept;
  /// Puts g, the caller, among the waiters of `word`: for any wake-up, and no lock.
  futex_waiter& queue(green& g, futex_waiter& w, std::uint32_t* word) noexcept;
  long wake_in(bucket& b, std::uint32_t* word, int most, std::uint32_t bitset) noexcept;
  long sleep(green& g, core::nanoseconds deadline) noexcept;

  bucket table_[futex_lists];
  volatile bool outsiders_ = false;
};

/// Marks the robust mutexes that g holds as FUTEX_OWNER_DIED and wakes a waiter of each, in
/// whatever process.
void walk_robust_list(green& g) noexcept;

/// The same for all threads at the process's end, but for the main one: that is the kernel's to
/// do, which knows its tid. `but` may be left out too.
void walk_all_robust_lists(const green* but = nullptr) noexcept;
/// Whether any of them holds one.
[[nodiscard]] bool has_robust_mutexes() noexcept;

} // namespace weft::patch
