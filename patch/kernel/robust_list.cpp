// SPDX-License-Identifier: BSL-1.0
//
// What a dying thread leaves locked.
#include "patch/kernel/futex.hpp"

#include <errno.h>
#include <linux/futex.h>

#include "patch/kernel/errors.hpp"
#include "patch/kernel/futex_word.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/thread.hpp"

namespace weft::patch {

void walk_robust_list(green& g) noexcept {
  // A thread may end with whatever in its list.
  robust_list_head head;
  if (!g.robust_list || !get_user(head, g.robust_list)) return;
  machine& m = the_machine();
  const long offset = head.futex_offset;
  const auto die = [&](robust_list* entry, bool is_pending) {
    // Bit 0 of an entry's address marks a PI mutex.
    const auto address = reinterpret_cast<std::uintptr_t>(entry);
    auto* word = reinterpret_cast<std::uint32_t*>((address & ~std::uintptr_t{1}) +
                                                  static_cast<std::uintptr_t>(offset));
    std::uint32_t value;
    if (!load_user_word(value, word)) return;
    if (is_pending && value == 0 && !(address & 1)) {
      // It had given the mutex back and not yet woken whoever waits.
      (void)m.futexes.wake_everywhere(word, 1, ~0u, false);
      return;
    }
    while ((value & FUTEX_TID_MASK) == static_cast<std::uint32_t>(g.tid)) {
      if (address & 1) {
        m.futexes.hand_over(word, FUTEX_OWNER_DIED);
        return;
      }
      const std::uint32_t marked = (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
      const replaced done = replace_user_word(word, value, marked);
      if (done == replaced::fault) return;
      if (done == replaced::yes) {
        if (value & FUTEX_WAITERS) m.futexes.wake_everywhere(word, 1, ~0u, false);
        return;
      }
    }
  };
  robust_list* pending = head.list_op_pending;
  int limit = 2048; // ROBUST_LIST_LIMIT: the list may be damaged
  for (robust_list* entry = head.list.next; entry != &g.robust_list->list && limit-- > 0;) {
    auto* plain = reinterpret_cast<robust_list*>(reinterpret_cast<std::uintptr_t>(entry) &
                                                 ~std::uintptr_t{1});
    robust_list* next;
    if (!get_user(next, &plain->next)) break;
    if (entry != pending) die(entry, false);
    entry = next;
  }
  if (pending) die(pending, true);
}

bool has_robust_mutexes() noexcept {
  machine& m = the_machine();
  bool found = false;
  m.all.for_each([&](green& g) {
    robust_list_head head;
    if (g.tid == m.main_tid || !g.robust_list || !get_user(head, g.robust_list)) return;
    found = found || head.list.next != &g.robust_list->list || head.list_op_pending;
  });
  return found;
}

void walk_all_robust_lists(const green* but) noexcept {
  machine& m = the_machine();
  m.all.for_each([&](green& g) {
    if (g.tid != m.main_tid && &g != but) walk_robust_list(g);
  });
}

} // namespace weft::patch
