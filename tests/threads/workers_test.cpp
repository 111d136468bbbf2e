// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/threads/hubs_at_work.hpp"

namespace weft::test {
namespace {

TEST(workers, one_by_default_and_then_spawn_any_is_spawn) {
  run([] {
    EXPECT_EQ(hubs(), std::vector<hub_handle>{this_hub_handle()});
    std::string order;
    auto a = spawn_any([&] { order += 'a'; });
    auto b = spawn([&] { order += 'b'; });
    auto c = spawn_any(
        {.name = "c"}, [&](char x) { order += x; }, 'c');
    auto d = spawn_on(this_hub_handle(), [&] { order += 'd'; });
    EXPECT_EQ(c.name(), "c");
    d.join();
    EXPECT_EQ(order, "abcd");
  });
  EXPECT_EQ(spawn_any([] { return 1; }).get(), 1) << "without any run";
}

TEST(workers, each_hub_has_a_thread_and_the_callers_is_the_first) {
  const hub_handle mine = this_hub_handle();
  std::vector<hub_handle> all;
  run(
      [&] {
        all = hubs();
        ASSERT_EQ(all.size(), 4u);
        EXPECT_EQ(all[0], mine);
        EXPECT_EQ(this_hub_handle(), mine);
        std::set<std::thread::id> threads;
        for (const hub_handle& hub : all) {
          threads.insert(spawn_on(hub, [&] {
                           EXPECT_EQ(this_hub_handle(), hub);
                           EXPECT_EQ(hubs(), all);
                           return std::this_thread::get_id();
                         }).get());
        }
        EXPECT_EQ(threads.size(), 4u);
      },
      {.workers = 4});
  EXPECT_TRUE(all[0].alive());
  for (std::size_t i = 1; i < all.size(); ++i)
    EXPECT_FALSE(all[i].alive());
  EXPECT_EQ(hubs(), std::vector<hub_handle>{mine});
}

TEST(workers, as_many_as_there_are_processors) {
  EXPECT_GE(usable_processors(), 1u);
  EXPECT_EQ(run([] { return hubs().size(); }, {.workers = all_processors}), usable_processors());
  EXPECT_THROW(run([] {}, {.workers = 1025}), std::length_error);
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &before) && CPU_COUNT(&one) == 0) CPU_SET(i, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(usable_processors(), 1u);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

TEST(workers, runs_of_several_threads_at_once_and_one_after_another) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([] {
      for (int round = 0; round < 30; ++round) {
        const auto sum = run(
            [&] {
              std::vector<task<int>> parts;
              for (int i = 0; i < 20; ++i)
                parts.push_back(spawn_any([i] { return i; }));
              int total = 0;
              for (auto& part : parts)
                total += part.get();
              return total;
            },
            {.workers = 3});
        EXPECT_EQ(sum, 190);
      }
    });
  for (auto& t : threads)
    t.join();
}

TEST(workers, what_main_throws_is_rethrown_when_all_have_ended) {
  std::atomic<int> cleaned = 0;
  const auto sleeper = [&] {
    try {
      sleep(1h);
    } catch (const cancelled&) {
      sleep(1ms);
      ++cleaned;
      throw;
    }
  };
  EXPECT_THROW(run(
                   [&] {
                     for (const hub_handle& hub : hubs())
                       (void)spawn_on(hub, sleeper);
                     for (int i = 0; i < 5; ++i)
                       (void)spawn_any(sleeper);
                     sleep(20ms);
                     throw std::out_of_range("main");
                   },
                   {.workers = 3}),
               std::out_of_range);
  EXPECT_EQ(cleaned, 8);
}

TEST(workers, what_nobody_began_when_main_ends_never_runs) {
  std::atomic<int> ran = 0;
  std::vector<task<void>> tasks;
  occupied* other = nullptr;
  run(
      [&] {
        other = new occupied(hubs()[1]);
        (void)spawn([&] { // main's end is what lets the other hub go
          try {
            sleep(1h);
          } catch (const cancelled&) {
            delete other;
            throw;
          }
        });
        yield();
        for (int i = 0; i < 1000; ++i)
          tasks.push_back(spawn_any([&] { ++ran; }));
        tasks.push_back(spawn_on(hubs()[1], [&] { ++ran; }));
      },
      {.workers = 2});
  EXPECT_EQ(ran, 0);
  for (auto& t : tasks)
    EXPECT_TRUE(t.was_cancelled());
}

TEST(workers, what_a_fiber_spawns_that_does_not_know_yet_that_it_is_to_end_is_cancelled) {
  event woken;
  std::vector<task<void>> children;
  run(
      [&] {
        (void)spawn([&] {
          woken.wait();
          children.push_back(spawn_any([] { sleep(1h); }));
          children.push_back(spawn_on(hubs()[1], [] { sleep(1h); }));
        });
        yield();
        woken.set(); // before main's end, so that it counts
      },
      {.workers = 2});
  ASSERT_EQ(children.size(), 2u);
  EXPECT_TRUE(children[0].was_cancelled());
  EXPECT_TRUE(children[1].was_cancelled());
}

TEST(workers, fibers_that_clean_up_may_still_use_other_hubs) {
  std::atomic<int> cleaned = 0;
  run(
      [&] {
        for (const hub_handle& hub : hubs())
          (void)spawn_on(hub, [&] {
            try {
              sleep(1h);
            } catch (const cancelled&) {
              for (const hub_handle& to : hubs())
                cleaned += spawn_on(to, [] { return 1; }).get();
              cleaned += spawn_any([] { return 1; }).get();
              throw;
            }
          });
        sleep(5ms);
      },
      {.workers = 3});
  EXPECT_EQ(cleaned, 12);
}

TEST(workers, a_deadlock_between_hubs_is_one) {
  any_task here, there;
  try {
    run(
        [&] {
          here = spawn({.name = "alice"}, [&] {
            sleep(5ms);
            there.join();
          });
          there = spawn_on(hubs()[1], {.name = "bob"}, [&] { here.join(); });
          here.join();
        },
        {.workers = 3});
    FAIL();
  } catch (const deadlock_error& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("fiber alice"), std::string::npos) << text;
    EXPECT_NE(text.find("fiber bob"), std::string::npos) << text;
  }
  EXPECT_TRUE(here.done());
  EXPECT_TRUE(there.done());
}

TEST(workers, no_deadlock_while_a_hub_has_something_to_wait_for) {
  run(
      [] {
        promise<void> p;
        auto t = spawn_on(hubs()[1], [&] {
          sleep(1200ms); // longer than it takes to look twice
          p.set_value();
        });
        p.get_future().get();
        t.join();
      },
      {.workers = 3});
}

} // namespace
} // namespace weft::test
