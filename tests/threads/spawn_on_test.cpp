// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/threads/hubs_at_work.hpp"

namespace weft::test {
namespace {

TEST(spawn_on, in_the_order_in_which_they_are_sent) {
  run(
      [] {
        std::vector<int> order;
        std::vector<task<void>> sent;
        for (int i = 0; i < 100; ++i)
          sent.push_back(spawn_on(hubs()[1], [&, i] { order.push_back(i); }));
        joinall(sent);
        std::vector<int> expected(100);
        std::iota(expected.begin(), expected.end(), 0);
        EXPECT_EQ(order, expected);
      },
      {.workers = 2});
}

TEST(spawn_on, results_and_exceptions_travel) {
  run(
      [] {
        const hub_handle there = hubs()[1];
        EXPECT_EQ(*spawn_on(there, [] { return std::make_unique<int>(7); }).get(), 7);
        EXPECT_EQ(spawn_on(
                      there, {.name = "named", .stack_size = 500'000},
                      [](std::string s) {
                        volatile char large[300'000];
                        large[0] = s[0];
                        return s + current().name() + large[0];
                      },
                      "x")
                      .get(),
                  "xnamedx");
        int here = 0;
        EXPECT_EQ(&spawn_on(there, [&]() -> int& { return here; }).get(), &here);
        EXPECT_THROW(spawn_on(there, [] { throw std::out_of_range("there"); }).get(),
                     std::out_of_range);
        EXPECT_THROW(spawn_on(there, [] { throw cancelled(); }).get(), task_cancelled);
        EXPECT_THROW((void)spawn_on(hub_handle(), [] {}), std::invalid_argument);
        EXPECT_THROW((void)spawn_on(there, {.stack_size = std::size_t{1} << 40}, [] {}),
                     std::length_error);
      },
      {.workers = 2});
}

TEST(spawn_on, from_a_thread_without_a_hub) {
  run(
      [] {
        const auto all = hubs();
        promise<int> sum;
        std::thread bare([&] {
          auto a = spawn_on(all[0], [] { return 1; });
          auto b = spawn_on(all[1], [] { return 2; });
          sum.set_value(a.get() + b.get());
        });
        EXPECT_EQ(sum.get_future().get(), 3);
        bare.join();
      },
      {.workers = 2});
}

TEST(spawn_on, of_a_hub_that_has_ended_is_cancelled) {
  hub_handle dead;
  std::thread([&] { dead = this_hub_handle(); }).join();
  const auto held = std::make_shared<int>(0);
  auto t = spawn_on(dead, [held] { std::abort(); });
  EXPECT_TRUE(t.was_cancelled());
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_THROW(t.get(), task_cancelled);
}

TEST(spawn_on, while_the_hub_ends_it_runs_or_is_cancelled) {
  for (int round = 0; round < 50; ++round) {
    std::atomic<bool> go = false;
    hub_handle hub;
    std::atomic<int> ran = 0;
    std::thread target([&] {
      hub = this_hub_handle();
      go = true;
    });
    while (!go)
      std::this_thread::yield();
    std::vector<task<void>> sent;
    do {
      sent.push_back(spawn_on(hub, [&] { ++ran; }));
      if (sent.size() % 64 == 0) std::this_thread::sleep_for(1us);
    } while (hub.alive());
    target.join();
    EXPECT_EQ(std::count_if(sent.begin(), sent.end(),
                            [](const auto& t) { return t.done() && !t.was_cancelled(); }),
              ran);
    EXPECT_TRUE(std::all_of(sent.begin(), sent.end(), [](const auto& t) { return t.done(); }));
  }
}

} // namespace
} // namespace weft::test
