// SPDX-License-Identifier: BSL-1.0
#include <linux/futex.h>

#include <cstddef>
#include <vector>

#include "patch/kernel/futex.hpp"
#include "stage.hpp"

namespace weft::patch {
namespace {

/// A mutex as a C library lays one out: the link lies behind the word.
struct mutex {
  std::uint32_t word = 0;
  int others[5] = {};
  robust_list link{};
};

class robust_list_test : public stage {
 protected:
  robust_list_test() {
    head.list.next = &head.list;
    head.futex_offset = offsetof(mutex, word) - static_cast<long>(offsetof(mutex, link));
    head.list_op_pending = nullptr;
  }
  static std::uint32_t tid(const green& g) { return static_cast<std::uint32_t>(g.tid); }
  /// Puts m in front, as a C library does.
  void add(mutex& mutex, bool pi = false) {
    mutex.link.next = head.list.next;
    head.list.next = reinterpret_cast<robust_list*>(reinterpret_cast<std::uintptr_t>(&mutex.link) |
                                                    std::uintptr_t{pi});
  }
  /// A thread that holds what `hold` puts into the list, and ends.
  void ends(std::function<void(green&)> hold) {
    start([this, hold = std::move(hold)](green& g) {
      g.robust_list = &head;
      hold(g);
    });
  }
  void waits(std::uint32_t& word) {
    start([this, &word](green& g) { m().futexes.wait(g, &word, word, ~0u, core::never); });
  }

  robust_list_head head{};
  std::uint32_t go = 0;
};

TEST_F(robust_list_test, a_thread_without_one) {
  start([](green& g) { g.robust_list = nullptr; });
  ends([](green&) {});
  EXPECT_EQ(still_there(), 0u);
}

TEST_F(robust_list_test, marks_all_that_the_thread_held) {
  std::vector<mutex> all(20);
  ends([&](green& g) {
    for (mutex& each : all) {
      each.word = tid(g);
      add(each);
    }
  });
  for (const mutex& each : all)
    EXPECT_EQ(each.word, FUTEX_OWNER_DIED);
}

TEST_F(robust_list_test, what_another_holds_by_now_is_left_alone) {
  mutex others, free;
  others.word = 77;
  ends([&](green&) {
    add(others);
    add(free);
  });
  EXPECT_EQ(others.word, 77u);
  EXPECT_EQ(free.word, 0u);
}

TEST_F(robust_list_test, one_waiter_of_each_is_woken) {
  mutex a, b;
  green& owner = start([&](green& g) {
    g.robust_list = &head;
    a.word = b.word = tid(g) | FUTEX_WAITERS;
    add(a);
    add(b);
    m().futexes.wait(g, &go, 0, ~0u, core::never);
  });
  EXPECT_EQ(a.word, tid(owner) | FUTEX_WAITERS);
  waits(a.word);
  waits(a.word);
  waits(b.word);
  m().futexes.wake(&go, 1, ~0u);
  run();
  EXPECT_EQ(a.word, FUTEX_OWNER_DIED | FUTEX_WAITERS);
  EXPECT_EQ(b.word, FUTEX_OWNER_DIED | FUTEX_WAITERS);
  EXPECT_EQ(still_there(), 1u) << "the second waiter of a";
  EXPECT_EQ(m().futexes.wake(&a.word, 2, ~0u), 1);
  run();
}

TEST_F(robust_list_test, the_operation_that_was_under_way_counts_too) {
  mutex pending, listed;
  ends([&](green& g) {
    pending.word = tid(g);
    head.list_op_pending = &pending.link; // locked, and not in the list yet
    listed.word = tid(g);
    add(listed);
  });
  EXPECT_EQ(pending.word, FUTEX_OWNER_DIED);
  EXPECT_EQ(listed.word, FUTEX_OWNER_DIED);
}

TEST_F(robust_list_test, one_that_is_both_is_handled_once) {
  mutex both;
  ends([&](green& g) {
    both.word = tid(g);
    add(both);
    head.list_op_pending = &both.link;
  });
  EXPECT_EQ(both.word, FUTEX_OWNER_DIED);
}

TEST_F(robust_list_test, a_priority_inheriting_one_is_handed_over) {
  mutex pi, plain;
  green& owner = start([&](green& g) {
    g.robust_list = &head;
    pi.word = plain.word = tid(g);
    add(pi, true);
    add(plain);
    m().futexes.wait(g, &go, 0, ~0u, core::never);
  });
  EXPECT_EQ(pi.word, tid(owner));
  std::uint32_t next = 0, seen = 0;
  start([&](green& g) {
    next = tid(g);
    EXPECT_EQ(m().futexes.lock_pi(g, &pi.word, core::never), 0);
    seen = pi.word;
  });
  m().futexes.wake(&go, 1, ~0u);
  run();
  EXPECT_EQ(seen, next | FUTEX_OWNER_DIED);
  EXPECT_EQ(plain.word, FUTEX_OWNER_DIED);
}

TEST_F(robust_list_test, a_damaged_list_that_never_ends_is_given_up) {
  mutex a, b;
  ends([&](green& g) {
    a.word = b.word = tid(g);
    add(a);
    add(b);
    a.link.next = &b.link;
  });
  EXPECT_EQ(a.word, FUTEX_OWNER_DIED);
  EXPECT_EQ(b.word, FUTEX_OWNER_DIED);
}

} // namespace
} // namespace weft::patch
