// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/processor.hpp"

#include "patch/kernel/scheduler_detail.hpp"
#include "stage.hpp"

namespace weft::patch {
namespace {

/// Four processors, of which the test's thread runs on the first. Their threads are in the books
/// only, so that nobody runs them.
class processors : public stage {
 protected:
  processors() { all().set_count(4); }
  ~processors() override {
    for (processor& p : all())
      p.ready.reset();
    all().shared.reset();
    for (green* g : made_)
      dismiss(*g);
    while (all().idle() < 3)
      for (processor& p : all())
        if (worker* w = p.holder; w && w != &m().first) all().vacate(*w);
    all().set_count(1);
  }

  processor_set& all() noexcept { return m().processors; }

  green& ready_on(processor& p) {
    green& g = *made_.emplace_back(&bystander());
    p.ready.push_back(g);
    return g;
  }
  void fill(processor& p, int count) {
    for (int i = 0; i < count; ++i)
      ready_on(p);
  }
  /// One that no kernel thread stands behind.
  worker& another() { return *workers_.emplace_back(std::make_unique<worker>()); }
  /// Another that holds p, on which g has just begun.
  worker& running(green& g, processor& p) {
    worker& w = another();
    w.current = &g;
    g.turn_begun = __builtin_ia32_rdtsc() + 1'000'000'000; // however slow the test
    all().occupy(p, w);
    return w;
  }

 private:
  std::vector<green*> made_;
  std::vector<std::unique_ptr<worker>> workers_;
};

TEST_F(processors, idle_are_counted) {
  EXPECT_TRUE(all().several());
  EXPECT_EQ(all().idle(), 3u);
  worker& other = another();
  all().occupy(all()[2], other);
  EXPECT_EQ(all().idle(), 2u);
  EXPECT_EQ(other.holds, &all()[2]);
  EXPECT_EQ(all()[2].holder, &other);
  all().vacate(other);
  EXPECT_EQ(all().idle(), 3u);
  EXPECT_EQ(other.holds, nullptr);
  EXPECT_EQ(all()[2].holder, nullptr);
}

TEST_F(processors, the_idle_one_that_has_most_to_do_is_found) {
  fill(all()[2], 2);
  fill(all()[3], 1);
  EXPECT_EQ(all().find_idle(), &all()[2]);
  worker& second = another();
  worker& third = another();
  worker& fourth = another();
  all().occupy(all()[2], third);
  EXPECT_EQ(all().find_idle(), &all()[3]);
  all().occupy(all()[1], second);
  all().occupy(all()[3], fourth);
  EXPECT_EQ(all().find_idle(), nullptr);
}

TEST_F(processors, ready_threads_are_seen_wherever_they_are) {
  EXPECT_FALSE(all().is_anything_ready());
  green& g = ready_on(all()[3]);
  EXPECT_TRUE(all().is_anything_ready());
  EXPECT_EQ(&all().busiest(), &all()[3]);
  EXPECT_EQ(&all()[3].ready.pop(), &g);
  EXPECT_FALSE(all().is_anything_ready());
  all().shared.push_back(g);
  EXPECT_TRUE(all().is_anything_ready());
}

TEST_F(processors, half_of_the_longest_queue_is_stolen_the_first_first) {
  fill(all()[1], 2);
  green& first = ready_on(all()[2]);
  fill(all()[2], 4);
  ASSERT_TRUE(steal(all()[0]));
  EXPECT_EQ(all()[0].ready.length(), 3u);
  EXPECT_EQ(all()[2].ready.length(), 2u);
  EXPECT_EQ(all()[1].ready.length(), 2u);
  EXPECT_EQ(&all()[0].ready.front(), &first);
}

TEST_F(processors, the_only_one_is_stolen) {
  ready_on(all()[3]);
  EXPECT_TRUE(steal(all()[1]));
  EXPECT_EQ(all()[1].ready.length(), 1u);
  EXPECT_TRUE(all()[3].ready.empty());
}

TEST_F(processors, nothing_is_stolen_where_nothing_is) {
  EXPECT_FALSE(steal(all()[0]));
  EXPECT_TRUE(all()[0].ready.empty());
}

TEST_F(processors, a_bound_thread_is_not_stolen_while_its_own_kernel_thread_is_on_its_way) {
  worker& own = another();
  green& g = ready_on(all()[1]);
  g.bound = &own;
  ready_on(all()[1]);
  all().occupy(all()[1], own);
  EXPECT_FALSE(steal(all()[0]));
  all().vacate(own);
  EXPECT_TRUE(steal(all()[0]));
  EXPECT_EQ(&all()[0].ready.front(), &g);
  g.bound = nullptr;
}

TEST_F(processors, a_thread_is_queued_where_it_ran_last_if_threads_run_there) {
  green& g = bystander();
  EXPECT_EQ(&queue_for(g), w().holds);
  g.last = &all()[2];
  EXPECT_EQ(&queue_for(g), w().holds); // nobody would look
  worker& there = another();
  all().occupy(all()[2], there);
  EXPECT_EQ(&queue_for(g), &all()[2]);
  there.state = worker_state::in_native;
  EXPECT_EQ(&queue_for(g), w().holds);
  all().vacate(there);
  dismiss(g);
}

TEST_F(processors, an_urgent_thread_is_queued_where_it_is_next) {
  green& g = bystander();
  worker& there = another();
  all().occupy(all()[2], there);
  g.last = &all()[2];
  g.urgent = true;
  EXPECT_EQ(&queue_for(g), w().holds);
  g.urgent = false;
  EXPECT_EQ(&queue_for(g), &all()[2]);
  all().vacate(there);
  dismiss(g);
}

TEST_F(processors, what_need_not_wait_is_not_stolen) {
  green& runs = bystander();
  worker& there = running(runs, all()[1]); // the turns before were quick
  all()[1].turn = 2000;
  fill(all()[1], 4);
  EXPECT_FALSE(steal(all()[0]));
  fill(all()[1], 96);
  all()[1].turn = 1000; // weft is all that they do, and one at a time does that
  EXPECT_FALSE(steal(all()[0]));
  all()[1].turn = 2000;
  EXPECT_TRUE(steal(all()[0]));
  EXPECT_EQ(all()[1].ready.length(), 50u);
  all()[0].ready.reset();
  all()[1].turn = 500;
  EXPECT_FALSE(steal(all()[0]));
  all()[1].turn = 10'000;
  EXPECT_TRUE(steal(all()[0]));
  all()[0].ready.reset();
  all()[1].turn = 0;
  EXPECT_FALSE(steal(all()[0]));
  runs.turn = 1'000'000; // it computes
  EXPECT_TRUE(steal(all()[0]));
  all()[0].ready.reset();
  runs.turn = 0;
  EXPECT_FALSE(steal(all()[0]));
  there.state = worker_state::in_native;
  EXPECT_TRUE(steal(all()[0]));
  all().vacate(there);
  dismiss(runs);
}

TEST_F(processors, two_that_wait_for_each_other_at_each_turn_become_one) {
  green& runs = bystander();
  processor& own = all()[0];
  processor& other = all()[1];
  worker& there = running(runs, other);
  const auto hindered = [&](std::uint64_t waits, std::uint64_t turn) {
    own.lock_waits = m().lock.waits() - waits;
    own.turn = other.turn = turn;
    return leave_to_another(own);
  };
  fill(own, 3);
  fill(other, 2);
  EXPECT_FALSE(hindered(turns_between_polls - 1, 1500)); // seldom enough
  EXPECT_FALSE(hindered(turns_between_polls, 10'000));   // of their turns most is their own
  EXPECT_FALSE(leave_to_another(own));                   // no more waits since
  there.state = worker_state::in_native;
  EXPECT_FALSE(hindered(turns_between_polls, 1500));
  there.state = worker_state::running;
  runs.turn = 1'000'000; // it computes
  EXPECT_FALSE(hindered(turns_between_polls, 1500));
  runs.turn = 0;
  EXPECT_EQ(own.ready.length(), 3u);

  EXPECT_TRUE(hindered(turns_between_polls, 1500));
  EXPECT_TRUE(own.ready.empty());
  EXPECT_EQ(other.ready.length(), 5u);
  EXPECT_FALSE(steal(own)); // and so it stays

  fill(own, 200);
  EXPECT_FALSE(hindered(turns_between_polls, 1500)); // some would wait for long
  all().vacate(there);
  dismiss(runs);
}

TEST_F(processors, a_fork_leaves_one) {
  worker& other = another();
  all().occupy(all()[1], other);
  fill(all()[1], 2);
  all().help_is_coming = true;
  all().poller = &other;
  all().reset(w());
  EXPECT_EQ(all().idle(), 3u);
  EXPECT_EQ(all()[0].holder, &w());
  EXPECT_EQ(all()[1].holder, nullptr);
  EXPECT_FALSE(all().is_anything_ready());
  EXPECT_FALSE(all().help_is_coming);
  EXPECT_EQ(all().poller, nullptr);
}

} // namespace
} // namespace weft::patch
