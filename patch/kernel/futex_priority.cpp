// SPDX-License-Identifier: BSL-1.0
//
// The PI family: a lock whose word names its owner and that is handed over.
#include "patch/kernel/futex.hpp"

#include <errno.h>
#include <linux/futex.h>

#include "patch/kernel/errors.hpp"
#include "patch/kernel/futex_word.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/thread.hpp"

namespace weft::patch {

long futex_table::trylock_pi(green& g, std::uint32_t* word) noexcept {
  if (!aligned(word)) return -EINVAL;
  const auto me = static_cast<std::uint32_t>(g.tid);
  std::uint32_t value;
  if (!load_user_word(value, word)) return -EFAULT;
  for (;;) {
    const std::uint32_t owner = value & FUTEX_TID_MASK;
    if (owner == me) return -EDEADLK;
    if (owner != 0) return -EAGAIN;
    // Free, perhaps because its owner died: the mark stays for the new one to see.
    switch (replace_user_word(word, value, (value & (FUTEX_OWNER_DIED | FUTEX_WAITERS)) | me)) {
    case replaced::fault:
      return -EFAULT;
    case replaced::yes:
      return 0;
    case replaced::no:
      break;
    }
  }
}

long futex_table::lock_pi(green& g, std::uint32_t* word, core::nanoseconds deadline) noexcept {
  for (;;) {
    const long tried = trylock_pi(g, word);
    if (tried != -EAGAIN) return tried;
    prepare_park(g);
    std::uint32_t value;
    if (!load_user_word(value, word)) return -EFAULT;
    if ((value & FUTEX_TID_MASK) == 0) continue;
    if (!find_thread(static_cast<pid_t>(value & FUTEX_TID_MASK))) return -ESRCH;
    if (!(value & FUTEX_WAITERS) &&
        replace_user_word(word, value, value | FUTEX_WAITERS) != replaced::yes)
      continue;
    queue(g, g.waiting_for, word).wants_lock = true;
    const long result = sleep(g, deadline);
    // Handed over: the word holds our tid. EINTR is no answer that glibc knows.
    return result == restart_unless_handled || result == restart_if_allowed ? restart_always
                                                                            : result;
  }
}

void futex_table::hand_over(std::uint32_t* word, std::uint32_t flags) noexcept {
  futex_waiter* next = nullptr;
  bool more = false;
  of(word).for_each([&](futex_waiter& w) {
    if (w.word != word || !w.wants_lock) return;
    if (next) more = true;
    if (!next) next = &w;
  });
  if (!next) {
    (void)put_user(word, flags);
    return;
  }
  const auto owner = static_cast<std::uint32_t>(next->thread->tid);
  (void)put_user(word, owner | flags | (more ? FUTEX_WAITERS : 0u));
  finish(*next);
}

long futex_table::unlock_pi(green& g, std::uint32_t* word) noexcept {
  if (!aligned(word)) return -EINVAL;
  std::uint32_t value;
  if (!load_user_word(value, word)) return -EFAULT;
  if ((value & FUTEX_TID_MASK) != static_cast<std::uint32_t>(g.tid)) return -EPERM;
  hand_over(word, 0);
  return 0;
}

long futex_table::wait_requeue_pi(green& g, std::uint32_t* word, std::uint32_t expected,
                                  std::uint32_t bitset, core::nanoseconds deadline,
                                  std::uint32_t* lock) noexcept {
  if (!aligned(word) || !aligned(lock) || word == lock || bitset == 0) return -EINVAL;
  prepare_park(g);
  if (const long differs = compare(word, expected)) return differs;
  futex_waiter& w = queue(g, g.waiting_for, word);
  w.bitset = bitset;
  w.lock = lock;
  const long result = sleep(g, deadline);
  // The caller looks at the word again, so a signal may end it like a spurious wake-up.
  return result == restart_if_allowed || result == restart_unless_handled ? -EAGAIN : result;
}

long futex_table::requeue_pi(std::uint32_t* from, std::uint32_t* to, int most_moved) noexcept {
  if (!aligned(from) || !aligned(to)) return -EINVAL;
  long done = 0;
  bool misused = false;
  bucket& target = of(to);
  bucket taken;
  of(from).for_each([&](futex_waiter& w) {
    if (w.word != from || done > most_moved || misused) return;
    if (w.lock != to) {
      misused = true;
      return;
    }
    ++done;
    w.lock = nullptr;
    // The first gets the lock at once if it is free; the others wait for it.
    std::uint32_t value = 0;
    (void)load_user_word(value, to);
    for (;;) {
      const bool is_free = (value & FUTEX_TID_MASK) == 0;
      const std::uint32_t next =
          value | (is_free ? static_cast<std::uint32_t>(w.thread->tid) : FUTEX_WAITERS);
      const replaced made = replace_user_word(to, value, next);
      if (made == replaced::no) continue;
      if (made == replaced::yes && is_free) {
        finish(w);
        return;
      }
      break;
    }
    w.unlink();
    w.word = to;
    w.wants_lock = true;
    taken.push_back(w);
  });
  target.append(taken);
  return misused && done == 0 ? -EINVAL : done;
}

} // namespace weft::patch
