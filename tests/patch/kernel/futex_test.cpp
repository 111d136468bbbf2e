// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/futex.hpp"

#include <errno.h>

#include <algorithm>
#include <climits>
#include <deque>
#include <random>

#include "patch/kernel/errors.hpp"
#include "patch/kernel/scheduler.hpp"
#include "stage.hpp"

namespace weft::patch {
namespace {

constexpr std::uint32_t any = ~0u;

class futex_test : public stage {
 protected:
  /// A thread that waits on `word` and notes how that ended: its name, or its name and result.
  green& waits(std::string name, std::uint32_t& word, std::uint32_t bitset = any,
               core::nanoseconds deadline = core::never) {
    return start([this, name = std::move(name), &word, bitset, deadline](green& g) {
      const long result = futexes().wait(g, &word, word, bitset, deadline);
      notes.note(result ? name + "=" + std::to_string(result) : name);
    });
  }
  futex_table& futexes() { return m().futexes; }
  long wake(std::uint32_t& word, int most = INT_MAX, std::uint32_t bitset = any) {
    const long woken = futexes().wake(&word, most, bitset);
    run();
    return woken;
  }

  diary notes;
  std::uint32_t a = 0, b = 0;
};

TEST_F(futex_test, a_word_that_differs_is_not_waited_for) {
  a = 1;
  EXPECT_EQ(futexes().wait(me(), &a, 0, any, core::never), -EAGAIN);
  EXPECT_EQ(futexes().wake(&a, 1, any), 0);
}

TEST_F(futex_test, misuse) {
  auto* odd = reinterpret_cast<std::uint32_t*>(reinterpret_cast<char*>(&a) + 2);
  EXPECT_EQ(futexes().wait(me(), odd, 0, any, core::never), -EINVAL);
  EXPECT_EQ(futexes().wait(me(), &a, 0, 0, core::never), -EINVAL);
  EXPECT_EQ(futexes().wake(odd, 1, any), -EINVAL);
  EXPECT_EQ(futexes().wake(&a, 1, 0), -EINVAL);
  EXPECT_EQ(futexes().requeue(&a, odd, 1, 1), -EINVAL);
  EXPECT_EQ(futexes().requeue(&a, &b, -1, 1), -EINVAL);
  EXPECT_EQ(futexes().requeue(&a, &b, 1, -1), -EINVAL);
}

TEST_F(futex_test, an_expired_deadline_ends_the_wait) {
  EXPECT_EQ(futexes().wait(me(), &a, 0, any, long_ago), -ETIMEDOUT);
  EXPECT_EQ(futexes().wake(&a, 1, any), 0) << "it left the queue";
}

TEST_F(futex_test, a_deadline_comes_and_not_too_early) {
  const core::nanoseconds deadline = soon();
  EXPECT_EQ(futexes().wait(me(), &a, 0, any, deadline), -ETIMEDOUT);
  EXPECT_GE(core::monotonic_now(), deadline);
  EXPECT_EQ(m().stats.parks[static_cast<int>(park_reason::futex)], 1u);
}

TEST_F(futex_test, wakes_first_come_first_served) {
  for (const char* name : {"1", "2", "3", "4"})
    waits(name, a);
  EXPECT_EQ(wake(a, 1), 1);
  EXPECT_EQ(notes.read(), "1");
  EXPECT_EQ(wake(a, 2), 2);
  EXPECT_EQ(notes.read(), "2 3");
  EXPECT_EQ(wake(a), 1);
  EXPECT_EQ(notes.read(), "4");
  EXPECT_EQ(wake(a), 0);
  EXPECT_EQ(still_there(), 0u);
}

/// An oddity of the kernel's that its callers may have come to rely on.
TEST_F(futex_test, who_asks_for_none_or_fewer_gets_one) {
  for (const char* name : {"1", "2", "3"})
    waits(name, a);
  EXPECT_EQ(wake(a, 0), 1);
  EXPECT_EQ(wake(a, -1), 1);
  EXPECT_EQ(wake(a, INT_MIN), 1);
  EXPECT_EQ(notes.read(), "1 2 3");
}

TEST_F(futex_test, wakes_one_word_s_waiters_only) {
  waits("a", a);
  waits("b", b);
  EXPECT_EQ(wake(b), 1);
  EXPECT_EQ(notes.read(), "b");
  EXPECT_EQ(wake(a), 1);
}

/// Two words of one bucket: the table is keyed by a hash.
TEST_F(futex_test, words_that_collide_are_kept_apart) {
  std::vector<std::uint32_t> many(3 * 4096);
  for (std::size_t i = 0; i < many.size(); i += 7)
    waits(std::to_string(i), many[i]);
  for (std::size_t i = 0; i < many.size(); ++i) {
    ASSERT_EQ(wake(many[i]), i % 7 == 0 ? 1 : 0);
    ASSERT_EQ(notes.read(), i % 7 == 0 ? std::to_string(i) : "");
  }
}

/// What the entry stub asks for.
TEST_F(futex_test, one_is_woken_without_a_frame) {
  futexes().answer_at_once();
  auto* const lists =
      static_cast<core::list<futex_waiter>*>(const_cast<void*>(weft_futex_lists.load()));
  core::list<futex_waiter>& list = lists[futex_list_index(&a)];
  EXPECT_TRUE(list.empty());
  waits("1", a);
  waits("2", a);
  ASSERT_FALSE(list.empty());
  EXPECT_EQ(weft_wake(&b, &list), quick_wake::refused) << "who waits waits for something else";
  EXPECT_EQ(weft_wake(&a, &list), quick_wake::done);
  run();
  EXPECT_EQ(notes.read(), "1");
  me().on->preempt = true;
  EXPECT_EQ(weft_wake(&a, &list), quick_wake::finish);
  me().on->preempt = false;
  EXPECT_FALSE(me().in_kernel);
  run();
  EXPECT_EQ(notes.read(), "2");
  EXPECT_TRUE(list.empty());
  futexes().expect_outsiders();
  EXPECT_EQ(weft_futex_lists.load(), nullptr);
  futexes().answer_at_once();
  EXPECT_EQ(weft_futex_lists.load(), nullptr) << "others may wait elsewhere";
}

TEST_F(futex_test, bitsets_choose) {
  waits("one", a, 1);
  waits("two", a, 2);
  waits("both", a, 3);
  EXPECT_EQ(wake(a, INT_MAX, 4), 0);
  EXPECT_EQ(wake(a, 1, 2), 1);
  EXPECT_EQ(notes.read(), "two");
  EXPECT_EQ(wake(a, INT_MAX, 2), 1);
  EXPECT_EQ(notes.read(), "both");
  EXPECT_EQ(wake(a), 1);
}

TEST_F(futex_test, a_wake_before_the_deadline_counts_and_one_after_does_not) {
  const core::nanoseconds deadline = soon();
  waits("late", a, any, deadline);
  waits("woken", b, any, deadline);
  EXPECT_EQ(wake(b), 1);
  EXPECT_EQ(notes.read(), "woken");
  run_until(deadline + 1);
  EXPECT_EQ(notes.read(), "late=" + std::to_string(-ETIMEDOUT));
  EXPECT_EQ(wake(a), 0);
}

TEST_F(futex_test, a_signal_ends_a_wait_that_may_restart) {
  green& g = waits("forever", a);
  green& h = waits("until", b, any, core::monotonic_now() + 1'000'000'000'000);
  EXPECT_TRUE(unpark(g, wakeup::signal));
  EXPECT_TRUE(unpark(h, wakeup::signal));
  run();
  EXPECT_EQ(notes.read(), "forever=" + std::to_string(restart_if_allowed) +
                              " until=" + std::to_string(restart_unless_handled));
  EXPECT_EQ(wake(a) + wake(b), 0);
}

/// What a waker gave away must not be lost to a signal or time-out that comes on its heels.
TEST_F(futex_test, a_wake_is_not_taken_back) {
  green& g = waits("1", a);
  waits("2", a);
  EXPECT_EQ(futexes().wake(&a, 1, any), 1);
  EXPECT_FALSE(unpark(g, wakeup::signal));
  EXPECT_FALSE(unpark(g, wakeup::timeout));
  run();
  EXPECT_EQ(notes.read(), "1");
  EXPECT_EQ(wake(a), 1);
}

/// The other way round: who was interrupted is no waiter any more, so that the wake goes to the
/// next.
TEST_F(futex_test, a_wake_after_a_signal_is_for_the_next_unless_it_comes_before_it_ran) {
  green& g = waits("1", a);
  waits("2", a);
  EXPECT_TRUE(unpark(g, wakeup::signal));
  run();
  EXPECT_EQ(notes.read(), "1=" + std::to_string(restart_if_allowed));
  EXPECT_EQ(wake(a, 1), 1);
  EXPECT_EQ(notes.read(), "2");

  // Still in the queue, since it has not run: it takes the wake and reports success.
  green& h = waits("3", a);
  EXPECT_TRUE(unpark(h, wakeup::signal));
  EXPECT_EQ(wake(a, 1), 1);
  EXPECT_EQ(notes.read(), "3");
}

TEST_F(futex_test, requeue_wakes_some_and_moves_some) {
  for (const char* name : {"1", "2", "3", "4", "5"})
    waits(name, a);
  EXPECT_EQ(futexes().requeue(&a, &b, 1, 2), 3);
  run();
  EXPECT_EQ(notes.read(), "1");
  EXPECT_EQ(wake(b), 2);
  EXPECT_EQ(notes.read(), "2 3");
  EXPECT_EQ(wake(a), 2);
  EXPECT_EQ(notes.read(), "4 5");
}

TEST_F(futex_test, requeue_to_the_word_itself_moves_each_once) {
  for (const char* name : {"1", "2", "3"})
    waits(name, a);
  EXPECT_EQ(futexes().requeue(&a, &a, 0, INT_MAX), 3);
  EXPECT_EQ(wake(a), 3);
  EXPECT_EQ(notes.read(), "1 2 3");
}

TEST_F(futex_test, the_moved_come_after_those_who_were_there) {
  waits("there", b);
  waits("moved", a);
  EXPECT_EQ(futexes().requeue(&a, &b, 0, 1), 1);
  EXPECT_EQ(wake(b, 1), 1);
  EXPECT_EQ(notes.read(), "there");
  EXPECT_EQ(wake(b, 1), 1);
  EXPECT_EQ(notes.read(), "moved");
}

TEST_F(futex_test, a_moved_one_keeps_its_deadline) {
  const core::nanoseconds deadline = soon();
  waits("moved", a, any, deadline);
  EXPECT_EQ(futexes().requeue(&a, &b, 0, 1), 1);
  run_until(deadline + 1);
  EXPECT_EQ(notes.read(), "moved=" + std::to_string(-ETIMEDOUT));
  EXPECT_EQ(wake(b), 0);
}

TEST_F(futex_test, in_a_fork_s_child_nobody_waits) {
  const auto before = m().count;
  waits("parent's", a);
  futexes().reset();
  EXPECT_EQ(wake(a), 0);
  EXPECT_EQ(m().count, before + 1);
}

/// Waits, wakes, requeues and interruptions at random, against queues kept naively.
TEST_F(futex_test, does_as_a_naive_model_does) {
  constexpr std::size_t words = 6;
  std::uint32_t word[words] = {};
  struct waiter {
    std::string name;
    std::uint32_t bitset;
    green* thread;
  };
  std::deque<waiter> model[words];
  std::mt19937 random{23};
  const auto one_of = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::string expected;
  const auto expect = [&](const std::string& name) {
    expected += (expected.empty() ? "" : " ") + name;
  };
  for (int step = 0; step < 4000; ++step) {
    const std::size_t i = one_of(words), j = one_of(words);
    expected.clear();
    long count = 0, counted = 0;
    switch (random() % 5) {
    case 0:
    case 1: {
      const std::string name = std::to_string(step);
      const std::uint32_t bitset = random() % 2 ? any : 1u << one_of(3);
      model[i].push_back({name, bitset, &waits(name, word[i], bitset)});
      break;
    }
    case 2: {
      const int most = static_cast<int>(one_of(4));
      const std::uint32_t bitset = random() % 2 ? any : 1u << one_of(3);
      std::erase_if(model[i], [&](const waiter& each) {
        if (counted == std::max(most, 1) || !(each.bitset & bitset)) return false;
        expect(each.name);
        ++counted;
        return true;
      });
      count = wake(word[i], most, bitset);
      break;
    }
    case 3: {
      const int woken = static_cast<int>(one_of(3)), moved = static_cast<int>(one_of(4));
      std::deque<waiter> taken;
      for (int n = 0; n < woken && !model[i].empty(); ++n, ++counted) {
        expect(model[i].front().name);
        model[i].pop_front();
      }
      for (int n = 0; n < moved && !model[i].empty(); ++n, ++counted) {
        taken.push_back(model[i].front());
        model[i].pop_front();
      }
      model[j].insert(model[j].end(), taken.begin(), taken.end());
      count = futexes().requeue(&word[i], &word[j], woken, moved);
      run();
      break;
    }
    default:
      if (model[i].empty()) break;
      const std::size_t n = one_of(model[i].size());
      expect(model[i][n].name + "=" + std::to_string(restart_if_allowed));
      EXPECT_TRUE(unpark(*model[i][n].thread, wakeup::signal));
      model[i].erase(model[i].begin() + static_cast<std::ptrdiff_t>(n));
      run();
    }
    ASSERT_EQ(count, counted) << "step " << step;
    ASSERT_EQ(notes.read(), expected) << "step " << step;
  }
  for (std::size_t i = 0; i < words; ++i)
    EXPECT_EQ(wake(word[i]), static_cast<long>(model[i].size()));
  EXPECT_EQ(still_there(), 0u);
}

} // namespace
} // namespace weft::patch
