// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/futex.hpp"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include "patch/kernel/errors.hpp"
#include "patch/kernel/futex_word.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
futex_table::bucket& futex_table::of(const std::uint32_t* word) noexcept {
  return table_[futex_list_index(word)];
}

void futex_table::answer_at_once() noexcept {
  // The stub knows a list by its first word.
  static_assert(sizeof(bucket) == 1u << WEFT_FUTEX_LIST_SHIFT);
  weft_futex_lists.store(table_);
  if (outsiders_) weft_futex_lists.store(nullptr);
}

/// Parks the caller, whose waiter is queued. 0 when it was taken out by a waker.
long futex_table::sleep(green& g, core::nanoseconds deadline) noexcept {
  const wakeup why = park(g, deadline, park_reason::futex, true);
  futex_waiter& w = g.waiting_for;
  if (!w.linked()) return 0; // a wake-up that came first is never given away
  w.unlink();
  if (why == wakeup::timeout) return -ETIMEDOUT;
  return deadline == core::never ? restart_if_allowed : restart_unless_handled;
}

futex_waiter& futex_table::queue(green& g, futex_waiter& w, std::uint32_t* word) noexcept {
  w.word = word;
  w.bitset = ~0u;
  w.wants_lock = false;
  w.lock = nullptr;
  w.thread = &g;
  of(word).push_back(w);
  return w;
}

long futex_table::wait(green& g, std::uint32_t* word, std::uint32_t expected, std::uint32_t bitset,
                       core::nanoseconds deadline) noexcept {
  if (!aligned(word) || bitset == 0) return -EINVAL;
  prepare_park(g);
  if (const long differs = compare(word, expected)) return differs;
  queue(g, g.waiting_for, word).bitset = bitset;
  return sleep(g, deadline);
}

long futex_table::wake(std::uint32_t* word, int most, std::uint32_t bitset) noexcept {
  if (!aligned(word) || bitset == 0) return -EINVAL;
  bucket& b = of(word);
  return b.empty() ? 0 : wake_in(b, word, most, bitset);
}

/// The same, if the waiters are in `b`.
long futex_table::wake_in(bucket& b, std::uint32_t* word, int most, std::uint32_t bitset) noexcept {
  if (most < 1) most = 1; // the kernel counts after it has woken one
  long woken = 0;
  bool misused = false;
  // Not beyond the last that is to be woken: there may be a million more.
  b.for_each_while([&](futex_waiter& w) {
    if (w.word != word) return true;
    misused = w.wants_lock || w.lock;
    if (misused) return false;
    if (!(w.bitset & bitset)) return true;
    finish(w);
    return ++woken < most;
  });
  return misused ? -EINVAL : woken;
}

long futex_table::wake_everywhere(std::uint32_t* word, int most, std::uint32_t bitset,
                                  bool is_private) noexcept {
  long woken = wake(word, most, bitset);
  if (woken < 0) return woken;
  if (!reaches_outside(word, is_private)) {
    // A shared word is looked up by what it is mapped to: there must be something.
    std::uint32_t value;
    return woken > 0 || is_private || load_user_word(value, word) ? woken : -EFAULT;
  }
  if (woken > 0 && woken >= most) return woken;
  const int operation = FUTEX_WAKE_BITSET | (is_private ? FUTEX_PRIVATE_FLAG : 0);
  const long others =
      raw_syscall(SYS_futex, word, operation, most - woken, nullptr, nullptr, bitset);
  if (!is_error(others)) woken += others;
  return woken == 0 ? others : woken;
}

long futex_table::wait_any(green& g, const futex_waitv* words, futex_waiter* waiters,
                           unsigned count, core::nanoseconds deadline) noexcept {
  prepare_park(g);
  long result = 0;
  unsigned queued = 0;
  for (; queued < count && result == 0; ++queued) {
    auto* word = reinterpret_cast<std::uint32_t*>(words[queued].uaddr);
    result = compare(word, static_cast<std::uint32_t>(words[queued].val));
    if (result == 0) queue(g, waiters[queued], word);
  }
  const wakeup why = result == 0 ? park(g, deadline, park_reason::futex, true) : wakeup::none;
  long woken = -1;
  for (unsigned i = 0; i < count; ++i) {
    if (waiters[i].linked())
      waiters[i].unlink();
    else if (waiters[i].thread)
      woken = i;
  }
  if (woken >= 0) return woken; // a wake-up that came first is never given away
  if (result != 0) return result;
  return why == wakeup::timeout ? -ETIMEDOUT : restart_if_allowed;
}

long futex_table::requeue_everywhere(std::uint32_t* from, std::uint32_t* to, int most_woken,
                                     int most_moved, const std::uint32_t* expected,
                                     bool is_private) noexcept {
  const bool outside = reaches_outside(from, is_private);
  // Whoever is moved to a word that only green threads seem to wait for must be found there.
  if (outside && !reaches_outside(to, is_private)) expect_outsiders();
  if (expected) {
    if (!aligned(from)) return -EINVAL;
    if (const long differs = compare(from, *expected)) return differs;
  }
  const long here = requeue(from, to, most_woken, most_moved);
  if (here < 0 || !outside) return here;
  const int woken = here < most_woken ? static_cast<int>(here) : most_woken;
  const int moved = static_cast<int>(here) - woken;
  const int operation =
      (expected ? FUTEX_CMP_REQUEUE : FUTEX_REQUEUE) | (is_private ? FUTEX_PRIVATE_FLAG : 0);
  const long there = raw_syscall(SYS_futex, from, operation, most_woken - woken, most_moved - moved,
                                 to, expected ? *expected : 0u);
  if (is_error(there)) return here > 0 ? here : there;
  return here + there;
}

long futex_table::requeue(std::uint32_t* from, std::uint32_t* to, int most_woken,
                          int most_moved) noexcept {
  if (!aligned(from) || !aligned(to) || most_woken < 0 || most_moved < 0) return -EINVAL;
  long woken = 0;
  long moved = 0;
  bucket& target = of(to);
  bucket taken; // a waiter moved within its own bucket must not be met again
  of(from).for_each_while([&](futex_waiter& w) {
    if (woken >= most_woken && moved >= most_moved) return false;
    if (w.word != from) return true;
    if (woken < most_woken) {
      finish(w);
      ++woken;
    } else {
      w.unlink();
      w.word = to;
      taken.push_back(w);
      ++moved;
    }
    return true;
  });
  target.append(taken);
  return woken + moved;
}

long futex_table::wake_op(std::uint32_t* first, std::uint32_t* second, int most_first,
                          int most_second, std::uint32_t operation, bool is_private) noexcept {
  if (!aligned(first) || !aligned(second)) return -EINVAL;
  const unsigned op = (operation >> 28) & 7;
  const unsigned compare = (operation >> 24) & 15;
  // Both arguments are 12 bits, sign-extended.
  auto argument = static_cast<std::uint32_t>(static_cast<std::int32_t>(operation << 8) >> 20);
  const int against = static_cast<std::int32_t>(operation << 20) >> 20;
  if ((operation >> 28) & FUTEX_OP_OPARG_SHIFT) argument = 1u << (argument & 31);
  std::uint32_t old;
  if (!load_user_word(old, second)) return -EFAULT;
  for (;;) {
    std::uint32_t next;
    switch (op) {
    case FUTEX_OP_SET:
      next = argument;
      break;
    case FUTEX_OP_ADD:
      next = old + argument;
      break;
    case FUTEX_OP_OR:
      next = old | argument;
      break;
    case FUTEX_OP_ANDN:
      next = old & ~argument;
      break;
    case FUTEX_OP_XOR:
      next = old ^ argument;
      break;
    default:
      return -ENOSYS;
    }
    const replaced done = replace_user_word(second, old, next);
    if (done == replaced::fault) return -EFAULT;
    if (done == replaced::yes) break;
  }
  const int was = static_cast<int>(old);
  bool holds = false;
  switch (compare) {
  case FUTEX_OP_CMP_EQ:
    holds = was == against;
    break;
  case FUTEX_OP_CMP_NE:
    holds = was != against;
    break;
  case FUTEX_OP_CMP_LT:
    holds = was < against;
    break;
  case FUTEX_OP_CMP_GE:
    holds = was >= against;
    break;
  case FUTEX_OP_CMP_LE:
    holds = was <= against;
    break;
  case FUTEX_OP_CMP_GT:
    holds = was > against;
    break;
  default:
    return -ENOSYS;
  }
  long woken = wake_everywhere(first, most_first, ~0u, is_private);
  if (woken >= 0 && holds) {
    const long more = wake_everywhere(second, most_second, ~0u, is_private);
    if (more > 0) woken += more;
  }
  return woken;
}

void futex_table::reset() noexcept {
  for (bucket& b : table_)
    b.reset();
}

} // namespace weft::patch
