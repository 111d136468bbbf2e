// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "tests/threads/hubs_at_work.hpp"

namespace weft::test {
namespace {

/// Fibers that spawn, wait for, cancel and talk to others on all hubs; each is counted when it
/// begins and ends, and each handle's outcome must agree.
TEST(across_hubs, at_random) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::atomic<int> begun = 0, ended = 0;
  std::atomic<bool> main_ended = false;
  // They outlive main: children of those that were cancelled go on until its end is theirs.
  std::vector<hub_handle> all;
  mutex m;
  event never;
  const std::function<int(unsigned, int)> play = [&](unsigned state, int depth) {
    ++begun;
    struct counted {
      ~counted() { ++end; }
      std::atomic<int>& end;
    } const counts{ended};
    std::minstd_rand random(state);
    std::vector<task<int>> children;
    int sum = 1;
    for (int i = 0; depth > 0 && i < 4; ++i) {
      const unsigned next = random();
      switch (random() % 6) {
      case 0:
        children.push_back(spawn(play, next, depth - 1));
        break;
      case 1:
        children.push_back(spawn_on(all[next % all.size()], play, next, depth - 1));
        break;
      case 2:
        children.push_back(spawn_any([&] {
          never.wait();
          return 0;
        }));
        break;
      default:
        children.push_back(spawn_any(play, next, depth - 1));
      }
      if (random() % 8 == 0) sleep(std::chrono::microseconds(random() % 200));
      const std::lock_guard held(m);
      if (random() % 16 == 0) yield();
    }
    for (auto& child : children) {
      const bool asked = !child.join(1ms) && child.cancel();
      try {
        sum += child.get();
      } catch (const task_cancelled&) {
        EXPECT_TRUE(asked || main_ended);
      }
    }
    return sum;
  };
  run(
      [&] {
        all = hubs();
        for (int round = 0; round < 20; ++round)
          EXPECT_GE(spawn_any(play, seed + round, 5).get(), 1);
        main_ended = true;
      },
      {.workers = 3});
  EXPECT_EQ(begun, ended);
}

} // namespace
} // namespace weft::test
