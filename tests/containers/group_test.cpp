// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/sync/places.hpp"

using namespace weft::test;

namespace {

TEST(group, members_leave_when_they_are_done) {
  weft::group g;
  EXPECT_TRUE(g.empty());
  auto a = g.spawn([] { return 1; });
  auto b = g.spawn(
      {.name = "b"}, [](int n) { return n; }, 2);
  EXPECT_EQ(b.name(), "b");
  EXPECT_EQ(g.size(), 2u);
  EXPECT_TRUE(g.contains(a));
  EXPECT_EQ(a.get() + b.get(), 3);
  EXPECT_TRUE(g.empty());
  EXPECT_FALSE(g.contains(a));
  EXPECT_EQ(g.apply([](int n) { return n + 1; }, 4), 5);
}

TEST(group, join_waits_for_all_also_those_spawned_meanwhile) {
  weft::group g;
  int ended = 0;
  for (int i = 0; i < 5; ++i)
    g.spawn([&] {
      weft::sleep(1ms);
      g.spawn([&] {
        weft::sleep(1ms);
        ++ended;
      });
      ++ended;
    });
  EXPECT_FALSE(g.join(0s));
  g.join();
  EXPECT_EQ(ended, 10);
  EXPECT_TRUE(g.join(0s));
}

TEST(group, join_of_a_member_is_a_deadlock_error) {
  weft::group g;
  auto t = g.spawn([&] { g.join(); });
  EXPECT_THROW(t.get(), weft::deadlock_error);
}

TEST(group, cancelling_who_joins_leaves_the_members_alone) {
  weft::group g;
  auto member = g.spawn([] { weft::sleep(5ms); });
  auto joiner = weft::spawn([&] { g.join(); });
  weft::yield();
  joiner.kill();
  EXPECT_TRUE(joiner.was_cancelled());
  member.get();
}

TEST(group, the_destructor_cancels_and_waits) {
  bool started = false;
  bool cleaned = false;
  bool unstarted = false;
  {
    weft::group g;
    g.spawn([&] {
      started = true;
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        weft::sleep(2ms);
        cleaned = true;
        throw;
      }
    });
    weft::yield();
    g.spawn([&] { unstarted = true; });
  }
  EXPECT_TRUE(started);
  EXPECT_TRUE(cleaned);
  EXPECT_FALSE(unstarted);
}

TEST(group, the_destructor_waits_while_unwinding_and_when_cancelled) {
  bool cleaned = false;
  auto t = weft::spawn([&] {
    weft::group g;
    g.spawn([&] {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        weft::sleep(5ms);
        cleaned = true;
      }
    });
    weft::yield();
    throw std::runtime_error("unwinding");
  });
  weft::yield();
  weft::yield();
  t.cancel(); // while the destructor waits
  EXPECT_THROW(t.get(), std::runtime_error);
  EXPECT_TRUE(cleaned);
}

TEST(group, who_destroys_it_as_a_member_goes_on) {
  auto g = std::make_unique<weft::group>();
  bool went_on = false;
  auto other = g->spawn([] { weft::sleep(1h); });
  auto t = g->spawn([&] {
    g.reset();
    weft::yield();
    went_on = true;
  });
  t.get();
  EXPECT_TRUE(went_on);
  EXPECT_TRUE(other.was_cancelled());
}

TEST(group, destroyed_in_a_callback_it_only_cancels) {
  auto g = std::make_unique<weft::group>();
  auto member = g->spawn([] { weft::sleep(1h); });
  weft::yield();
  in_callback([&] { g.reset(); });
  EXPECT_THROW(member.get(), weft::task_cancelled);
}

TEST(group, kill_ends_all_also_those_spawned_meanwhile) {
  weft::group g;
  int late = 0;
  for (int i = 0; i < 3; ++i)
    g.spawn([&] {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        g.spawn([&] { ++late; });
        weft::sleep(1ms);
        g.spawn([&] { ++late; });
        throw;
      }
    });
  weft::yield();
  g.kill();
  EXPECT_TRUE(g.empty());
  EXPECT_EQ(late, 0);
  g.spawn([&] { ++late; }).get(); // it can be used again
  EXPECT_EQ(late, 1);
}

TEST(group, kill_with_a_limit_says_whether_all_died) {
  weft::group g;
  bool refuse = true;
  g.spawn([&] {
    while (refuse) {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
      }
    }
  });
  weft::yield();
  EXPECT_FALSE(g.kill(2ms));
  EXPECT_EQ(g.size(), 1u);
  refuse = false;
  EXPECT_TRUE(g.kill(1h));
}

TEST(group, a_member_that_kills_it_dies_last) {
  weft::group g;
  std::vector<std::string> ends;
  g.spawn([&] {
    try {
      weft::sleep(1h);
    } catch (const weft::cancelled&) {
      weft::sleep(1ms);
      ends.push_back("other");
      throw;
    }
  });
  auto killer = g.spawn([&] {
    try {
      weft::yield();
      g.kill();
      ADD_FAILURE();
    } catch (const weft::cancelled&) {
      ends.push_back("killer");
      throw;
    }
  });
  EXPECT_THROW(killer.get(), weft::task_cancelled);
  EXPECT_EQ(ends, (std::vector<std::string>{"other", "killer"}));
}

TEST(group, cancel_does_not_wait) {
  weft::group g;
  auto t = g.spawn([] { weft::sleep(1h); });
  weft::yield();
  in_callback([&] { g.cancel(); });
  EXPECT_THROW(t.get(), weft::task_cancelled);
}

TEST(group, add_and_discard) {
  weft::group g;
  auto t = weft::spawn([] { weft::sleep(1h); });
  g.add(t);
  g.add(t);
  EXPECT_EQ(g.size(), 1u);
  EXPECT_TRUE(g.discard(t));
  EXPECT_FALSE(g.discard(t));
  EXPECT_TRUE(g.empty());
  EXPECT_FALSE(t.done());
  weft::promise<int> p;
  g.add(p.get_future());
  EXPECT_EQ(g.size(), 1u);
  g.kill(); // a promise's future is cancelled at once
  EXPECT_TRUE(p.done());
  t.kill();
  g.add(t); // done already
  EXPECT_TRUE(g.empty());
  EXPECT_FALSE(g.contains(weft::any_task()));
  EXPECT_FALSE(g.discard(weft::any_task()));
  EXPECT_THROW(g.add(weft::any_task()), weft::future_error);
}

TEST(group, lists_its_members) {
  weft::group g;
  std::vector<weft::any_task> spawned;
  for (int i = 0; i < 3; ++i)
    spawned.push_back(g.spawn([] { weft::sleep(1h); }));
  EXPECT_EQ(g.members(), spawned);
  std::size_t n = 0;
  for (const weft::any_task& t : g) {
    EXPECT_EQ(t, spawned[n++]);
    t.kill();
  }
  EXPECT_EQ(n, 3u);
  EXPECT_TRUE(g.empty());
}

std::atomic<int> reported{0};

TEST(group, a_failing_member_is_reported_and_leaves_the_others_alone) {
  reported = 0;
  const auto before =
      weft::set_error_handler([](const char*, std::exception_ptr) noexcept { ++reported; });
  {
    weft::group g;
    g.spawn([] { throw std::runtime_error("nobody looks"); });
    auto other = g.spawn([] { weft::sleep(2ms); });
    g.join();
    EXPECT_FALSE(other.was_cancelled());
  }
  EXPECT_EQ(reported, 1);
  weft::set_error_handler(before);
}

TEST(group, null_callables_are_refused) {
  weft::group g;
  EXPECT_THROW(g.spawn(std::function<void()>()), std::invalid_argument);
  EXPECT_TRUE(g.empty());
  EXPECT_TRUE(g.join(0s));
}

class groups : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(from, groups, all_places, name_of);

TEST_P(groups, spawn_join_and_kill_from_anywhere) {
  for (int round = 0; round < 10; ++round) {
    weft::group g;
    std::atomic<int> ended{0};
    run_at(GetParam(), 4, [&](int party) {
      std::vector<weft::any_task> mine;
      for (int i = 0; i < 20; ++i)
        mine.push_back(g.spawn([&, i] {
          weft::sleep(std::chrono::microseconds(i * 10));
          ++ended;
        }));
      if (party == 3) g.cancel();
      weft::joinall(mine); // while this thread, and with it its hub, lives
    });
    g.join();
    EXPECT_TRUE(g.empty());

    EXPECT_LE(ended, 80);
  }
}

} // namespace
