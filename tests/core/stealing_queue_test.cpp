// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/stealing_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace {

using queue = weft::core::stealing_queue<int, 16>;

TEST(stealing_queue, first_in_first_out_and_no_more_than_fit) {
  queue q;
  std::vector<int> items(17);
  EXPECT_TRUE(q.empty());
  EXPECT_EQ(q.pop(), nullptr);
  for (int round = 0; round < 3; ++round) { // round the ring
    for (int i = 0; i < 16; ++i)
      EXPECT_TRUE(q.push(items[i])) << i;
    EXPECT_FALSE(q.push(items[16]));
    EXPECT_FALSE(q.empty());
    for (int i = 0; i < 16; ++i)
      EXPECT_EQ(q.pop(), &items[i]);
    EXPECT_TRUE(q.empty());
  }
}

TEST(stealing_queue, the_older_half_is_stolen) {
  queue q;
  std::vector<int> items(5);
  for (int& item : items)
    q.push(item);
  int* out[queue::most_stolen];
  ASSERT_EQ(q.steal(out), 3u);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(out[i], &items[i]);
  EXPECT_EQ(q.steal(out, 1), 1u);
  EXPECT_EQ(out[0], &items[3]);
  EXPECT_EQ(q.steal(out), 1u) << "of one, that one";
  EXPECT_EQ(q.steal(out), 0u);
  EXPECT_TRUE(q.empty());
}

TEST(stealing_queue, each_item_is_taken_once_whoever_takes_it) {
  constexpr std::size_t items = 200'000, thieves = 3;
  queue q;
  std::vector<int> taken(items);
  std::atomic<bool> all_in = false;
  const auto take = [](int* item) { ++*item; }; // a race, if two had it
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < thieves; ++t)
    threads.emplace_back([&] {
      int* out[queue::most_stolen];
      while (!all_in || !q.empty())
        for (std::size_t i = 0, n = q.steal(out); i < n; ++i)
          take(out[i]);
    });
  for (std::size_t i = 0; i < items; ++i) {
    while (!q.push(taken[i]))
      if (int* item = q.pop()) take(item);
    if (i % 3 == 0)
      if (int* item = q.pop()) take(item);
  }
  all_in = true;
  for (auto& t : threads)
    t.join();
  EXPECT_EQ(std::count(taken.begin(), taken.end(), 1), static_cast<std::ptrdiff_t>(items));
}

} // namespace
