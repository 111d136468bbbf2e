// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "tests/threads/hubs_at_work.hpp"

namespace weft::test {
namespace {

TEST(spawn_any, all_hubs_take_part_when_there_is_much_to_compute) {
  std::set<std::thread::id> threads;
  run(
      [&] {
        std::vector<task<std::thread::id>> tasks;
        for (int i = 0; i < 400; ++i)
          tasks.push_back(spawn_any([] {
            compute_for(1ms);
            return std::this_thread::get_id();
          }));
        for (auto& t : tasks)
          threads.insert(t.get());
      },
      {.workers = 4});
  EXPECT_EQ(threads.size(), 4u);
}

TEST(spawn_any, one_that_has_begun_stays_where_it_is) {
  run(
      [] {
        std::vector<task<void>> tasks;
        for (int i = 0; i < 500; ++i)
          tasks.push_back(spawn_any([i] {
            const auto thread = std::this_thread::get_id();
            for (int turn = 0; turn < 10; ++turn) {
              if (turn % 3 == i % 3)
                sleep(100us);
              else
                yield();
              EXPECT_EQ(std::this_thread::get_id(), thread);
            }
          }));
        joinall(tasks);
      },
      {.workers = 4});
}

TEST(spawn_any, goes_to_an_idle_hub_while_this_one_is_busy) {
  run(
      [] {
        for (int round = 0; round < 200; ++round) {
          std::atomic<bool> ran = false;
          const hub_handle mine = this_hub_handle();
          auto t = spawn_any([&] {
            EXPECT_NE(this_hub_handle(), mine);
            ran = true;
          });
          ASSERT_TRUE(eventually([&] { return ran.load(); })) << "nobody was woken";
          t.join();
          if (round % 8 == 0) sleep(1ms); // all asleep
        }
      },
      {.workers = 3});
}

TEST(spawn_any, a_busy_hub_starts_them_too) {
  run(
      [] {
        const occupied other(hubs()[1]);
        bool stop = false;
        auto busy = spawn([&] {
          while (!stop)
            yield();
        });
        for (int i = 0; i < 100; ++i)
          EXPECT_EQ(spawn_any([i] { return i; }).get(), i);
        stop = true;
        busy.join();
      },
      {.workers = 2});
}

TEST(spawn_any, more_than_fit_into_a_queue_are_counted_exactly) {
  constexpr int many = 100'000;
  std::atomic<int> ran = 0;
  run(
      [&] {
        std::vector<task<int>> tasks;
        tasks.reserve(many);
        for (int i = 0; i < many; ++i)
          tasks.push_back(spawn_any([&ran, i] {
            ++ran;
            return i;
          }));
        std::int64_t sum = 0;
        for (auto& t : tasks)
          sum += t.get();
        EXPECT_EQ(sum, std::int64_t{many} * (many - 1) / 2);
      },
      {.workers = 3});
  EXPECT_EQ(ran, many);
}

int tree(int depth) {
  if (depth == 0) return 1;
  auto left = spawn_any(tree, depth - 1);
  auto right = depth % 3 == 0 ? spawn(tree, depth - 1) : spawn_any(tree, depth - 1);
  return left.get() + right.get() + 1;
}

TEST(spawn_any, from_whichever_hub) {
  EXPECT_EQ(run([] { return tree(12); }, {.workers = 4}), (1 << 13) - 1);
}

TEST(spawn_any, one_after_another_with_everybody_asleep_between) {
  run(
      [] {
        for (int i = 0; i < 3000; ++i)
          ASSERT_EQ(spawn_any([i] { return i; }).get(), i);
      },
      {.workers = 4});
}

} // namespace
} // namespace weft::test
