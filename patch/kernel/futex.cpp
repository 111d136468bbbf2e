// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/futex.hpp"

#include <errno.h>
#include <linux/futex.h>

#include "patch/kernel/errors.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/thread.hpp"

namespace weft::patch {
namespace {

std::uint32_t load(const std::uint32_t* word) noexcept {
  return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}
bool replace(std::uint32_t* word, std::uint32_t& expected, std::uint32_t desired) noexcept {
  return __atomic_compare_exchange_n(word, &expected, desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}
bool aligned(const std::uint32_t* word) noexcept {
  return reinterpret_cast<std::uintptr_t>(word) % 4 == 0;
}

void finish(futex_waiter& w) noexcept {
  w.unlink();
  unpark(*w.thread, wakeup::event);
}

}  // namespace

futex_table::bucket& futex_table::of(const std::uint32_t* word) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(word) >> 2;
  return table_[(address * 0x9e3779b97f4a7c15u) >> 52];
}
static_assert(1u << (64 - 52) == 4096);

/// Parks the caller, whose waiter is queued. 0 when it was taken out by a waker.
long futex_table::sleep(green& g, core::nanoseconds deadline) noexcept {
  const wakeup why = park(g, deadline, park_reason::futex, true);
  futex_waiter& w = g.waiting_for;
  if (!w.linked()) return 0;  // a wake-up that came first is never given away
  w.unlink();
  if (why == wakeup::timeout) return -ETIMEDOUT;
  return deadline == core::never ? restart_if_allowed : restart_unless_handled;
}

long futex_table::wait(green& g, std::uint32_t* word, std::uint32_t expected,
                       std::uint32_t bitset, core::nanoseconds deadline) noexcept {
  if (!aligned(word) || bitset == 0) return -EINVAL;
  prepare_park(g);
  if (load(word) != expected) return -EAGAIN;
  futex_waiter& w = g.waiting_for;
  w.word = word;
  w.bitset = bitset;
  w.wants_lock = false;
  w.lock = nullptr;
  w.thread = &g;
  of(word).push_back(w);
  return sleep(g, deadline);
}

long futex_table::wake(std::uint32_t* word, int most, std::uint32_t bitset) noexcept {
  if (!aligned(word) || bitset == 0) return -EINVAL;
  bucket& b = of(word);
  if (b.empty()) return 0;
  if (most < 1) most = 1;  // the kernel counts after it has woken one
  long woken = 0;
  bool misused = false;
  b.for_each([&](futex_waiter& w) {
    if (w.word != word || woken >= most || misused) return;
    if (w.wants_lock || w.lock) {
      misused = true;
      return;
    }
    if (!(w.bitset & bitset)) return;
    finish(w);
    ++woken;
  });
  return misused ? -EINVAL : woken;
}

long futex_table::requeue(std::uint32_t* from, std::uint32_t* to, int most_woken,
                          int most_moved) noexcept {
  if (!aligned(from) || !aligned(to) || most_woken < 0 || most_moved < 0) return -EINVAL;
  long woken = 0;
  long moved = 0;
  bucket& target = of(to);
  bucket taken;  // a waiter moved within its own bucket must not be met again
  of(from).for_each([&](futex_waiter& w) {
    if (w.word != from) return;
    if (woken < most_woken) {
      finish(w);
      ++woken;
    } else if (moved < most_moved) {
      w.unlink();
      w.word = to;
      taken.push_back(w);
      ++moved;
    }
  });
  target.append(taken);
  return woken + moved;
}

long futex_table::wake_op(std::uint32_t* first, std::uint32_t* second, int most_first,
                          int most_second, std::uint32_t operation) noexcept {
  if (!aligned(first) || !aligned(second)) return -EINVAL;
  const unsigned op = (operation >> 28) & 7;
  const unsigned compare = (operation >> 24) & 15;
  // Both arguments are 12 bits, sign-extended.
  auto argument = static_cast<std::uint32_t>(static_cast<std::int32_t>(operation << 8) >> 20);
  const int against = static_cast<std::int32_t>(operation << 20) >> 20;
  if ((operation >> 28) & FUTEX_OP_OPARG_SHIFT) argument = 1u << (argument & 31);
  std::uint32_t old = load(second);
  for (;;) {
    std::uint32_t next;
    switch (op) {
      case FUTEX_OP_SET: next = argument; break;
      case FUTEX_OP_ADD: next = old + argument; break;
      case FUTEX_OP_OR: next = old | argument; break;
      case FUTEX_OP_ANDN: next = old & ~argument; break;
      case FUTEX_OP_XOR: next = old ^ argument; break;
      default: return -ENOSYS;
    }
    if (replace(second, old, next)) break;
  }
  const int was = static_cast<int>(old);
  bool holds = false;
  switch (compare) {
    case FUTEX_OP_CMP_EQ: holds = was == against; break;
    case FUTEX_OP_CMP_NE: holds = was != against; break;
    case FUTEX_OP_CMP_LT: holds = was < against; break;
    case FUTEX_OP_CMP_GE: holds = was >= against; break;
    case FUTEX_OP_CMP_LE: holds = was <= against; break;
    case FUTEX_OP_CMP_GT: holds = was > against; break;
    default: return -ENOSYS;
  }
  long woken = wake(first, most_first, ~0u);
  if (woken >= 0 && holds) woken += wake(second, most_second, ~0u);
  return woken;
}

long futex_table::trylock_pi(green& g, std::uint32_t* word) noexcept {
  if (!aligned(word)) return -EINVAL;
  const auto me = static_cast<std::uint32_t>(g.tid);
  std::uint32_t value = load(word);
  for (;;) {
    const std::uint32_t owner = value & FUTEX_TID_MASK;
    if (owner == me) return -EDEADLK;
    if (owner != 0) return -EAGAIN;
    // Free, perhaps because its owner died: the mark stays for the new one to see.
    if (replace(word, value, (value & (FUTEX_OWNER_DIED | FUTEX_WAITERS)) | me)) return 0;
  }
}

long futex_table::lock_pi(green& g, std::uint32_t* word, core::nanoseconds deadline) noexcept {
  for (;;) {
    const long tried = trylock_pi(g, word);
    if (tried != -EAGAIN) return tried;
    prepare_park(g);
    std::uint32_t value = load(word);
    if ((value & FUTEX_TID_MASK) == 0) continue;
    if (!find_thread(static_cast<pid_t>(value & FUTEX_TID_MASK))) return -ESRCH;
    if (!(value & FUTEX_WAITERS) && !replace(word, value, value | FUTEX_WAITERS)) continue;
    futex_waiter& w = g.waiting_for;
    w.word = word;
    w.wants_lock = true;
    w.lock = nullptr;
    w.thread = &g;
    of(word).push_back(w);
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
    __atomic_store_n(word, flags, __ATOMIC_SEQ_CST);
    return;
  }
  const auto owner = static_cast<std::uint32_t>(next->thread->tid);
  __atomic_store_n(word, owner | flags | (more ? FUTEX_WAITERS : 0u), __ATOMIC_SEQ_CST);
  finish(*next);
}

long futex_table::unlock_pi(green& g, std::uint32_t* word) noexcept {
  if (!aligned(word)) return -EINVAL;
  if ((load(word) & FUTEX_TID_MASK) != static_cast<std::uint32_t>(g.tid)) return -EPERM;
  hand_over(word, 0);
  return 0;
}

long futex_table::wait_requeue_pi(green& g, std::uint32_t* word, std::uint32_t expected,
                                  std::uint32_t bitset, core::nanoseconds deadline,
                                  std::uint32_t* lock) noexcept {
  if (!aligned(word) || !aligned(lock) || word == lock || bitset == 0) return -EINVAL;
  prepare_park(g);
  if (load(word) != expected) return -EAGAIN;
  futex_waiter& w = g.waiting_for;
  w.word = word;
  w.bitset = bitset;
  w.wants_lock = false;
  w.lock = lock;
  w.thread = &g;
  of(word).push_back(w);
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
    std::uint32_t value = load(to);
    while ((value & FUTEX_TID_MASK) == 0) {
      if (replace(to, value, value | static_cast<std::uint32_t>(w.thread->tid))) {
        finish(w);
        return;
      }
    }
    __atomic_fetch_or(to, FUTEX_WAITERS, __ATOMIC_SEQ_CST);
    w.unlink();
    w.word = to;
    w.wants_lock = true;
    taken.push_back(w);
  });
  target.append(taken);
  return misused && done == 0 ? -EINVAL : done;
}

void futex_table::reset() noexcept {
  for (bucket& b : table_) b.reset();
}

void walk_robust_list(green& g) noexcept {
  robust_list_head* head = g.robust_list;
  if (!head) return;
  machine& m = the_machine();
  const long offset = head->futex_offset;
  const auto die = [&](robust_list* entry) {
    // Bit 0 of an entry's address marks a PI mutex.
    const auto address = reinterpret_cast<std::uintptr_t>(entry);
    auto* word = reinterpret_cast<std::uint32_t*>((address & ~std::uintptr_t{1}) +
                                                  static_cast<std::uintptr_t>(offset));
    std::uint32_t value = load(word);
    while ((value & FUTEX_TID_MASK) == static_cast<std::uint32_t>(g.tid)) {
      if (address & 1) {
        m.futexes.hand_over(word, FUTEX_OWNER_DIED);
        return;
      }
      if (replace(word, value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED)) {
        if (value & FUTEX_WAITERS) m.futexes.wake(word, 1, ~0u);
        return;
      }
    }
  };
  robust_list* pending = head->list_op_pending;
  int limit = 2048;  // ROBUST_LIST_LIMIT: the list may be damaged
  for (robust_list* entry = head->list.next; entry != &head->list && limit-- > 0;) {
    auto* plain = reinterpret_cast<robust_list*>(reinterpret_cast<std::uintptr_t>(entry) &
                                                 ~std::uintptr_t{1});
    robust_list* next = plain->next;
    if (entry != pending) die(entry);
    entry = next;
  }
  if (pending) die(pending);
}

}  // namespace weft::patch
