// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/sync/places.hpp"

using namespace weft::test;

namespace {

TEST(pool, spawn_waits_while_it_is_full) {
  weft::pool p(3);
  int now = 0;
  int most = 0;
  for (int i = 0; i < 20; ++i)
    p.spawn([&] {
      most = std::max(most, ++now);
      weft::sleep(1ms);
      --now;
    });
  p.join();
  EXPECT_EQ(most, 3);
}

TEST(pool, zero_is_refused) {
  EXPECT_THROW(weft::pool(0), std::invalid_argument);
}

TEST(pool, free_count_and_try_spawn) {
  weft::pool p(2);
  EXPECT_EQ(p.capacity(), 2u);
  EXPECT_EQ(p.free_count(), 2u);
  auto a = p.try_spawn([] { weft::sleep(1h); });
  ASSERT_TRUE(a);
  auto b = p.try_spawn({.name = "b"}, [] { weft::sleep(1h); });
  ASSERT_TRUE(b);
  EXPECT_TRUE(p.full());
  EXPECT_FALSE(p.try_spawn([] {}));
  a->kill();
  EXPECT_EQ(p.free_count(), 1u);
  EXPECT_TRUE(p.try_spawn([] {}));
  p.discard(*b);
  EXPECT_EQ(p.free_count(), 1u);
  b->kill();
}

TEST(pool, is_fair) {
  weft::pool p(1);
  std::vector<int> order;
  auto first = p.spawn([] { weft::sleep(1h); });
  std::vector<weft::task<void>> spawners;
  for (int i = 0; i < 5; ++i)
    spawners.push_back(weft::spawn([&, i] { p.spawn([&order, i] { order.push_back(i); }); }));
  weft::yield();
  weft::yield();
  p.discard(first);
  EXPECT_FALSE(p.try_spawn([] {})); // the room is for who waited
  weft::joinall(spawners);
  p.join();
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  first.kill();
}

TEST(pool, one_who_is_cancelled_in_spawn_loses_no_room) {
  weft::pool p(1);
  auto first = p.spawn([] { weft::sleep(1h); });
  bool ran = false;
  auto cancelled = weft::spawn([&] { p.spawn([&] { ran = true; }); });
  auto next = weft::spawn([&] { return p.spawn([] { return 5; }).get(); });
  weft::yield();
  weft::yield();
  cancelled.kill();
  EXPECT_TRUE(cancelled.was_cancelled());
  first.kill();
  EXPECT_EQ(next.get(), 5);
  EXPECT_FALSE(ran);
  EXPECT_EQ(p.free_count(), 1u);
}

TEST(pool, what_could_not_be_spawned_gives_its_room_back) {
  weft::pool p(1);
  EXPECT_THROW(p.spawn(std::function<void()>()), std::invalid_argument);
  EXPECT_EQ(p.free_count(), 1u);
  struct uncopyable_today {
    uncopyable_today() = default;
    uncopyable_today(const uncopyable_today&) { throw std::runtime_error("copy"); }
    void operator()() const {}
  };
  const uncopyable_today f;
  EXPECT_THROW(p.spawn(f), std::runtime_error);
  EXPECT_EQ(p.free_count(), 1u);
}

TEST(pool, spawning_into_itself_when_it_is_full_is_an_error) {
  weft::pool p(1);
  auto t = p.spawn([&] { p.spawn([] {}); });
  EXPECT_THROW(t.get(), weft::deadlock_error);
  EXPECT_EQ(p.free_count(), 1u);

  // The last of several gets it; when that has ended the others go on.
  weft::pool three(3);
  int refused = 0;
  int spawned = 0;
  std::vector<weft::task<void>> tasks;
  for (int i = 0; i < 3; ++i)
    tasks.push_back(three.spawn([&] {
      weft::sleep(1ms);
      try {
        three.spawn([&] { ++spawned; });
      } catch (const weft::deadlock_error& e) {
        EXPECT_NE(std::string(e.what()).find("pool of 3"), std::string::npos) << e.what();
        ++refused;
      }
    }));
  weft::joinall(tasks);
  three.join();
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(spawned, 2);
}

TEST(pool, a_member_may_spawn_into_it_while_another_can_end) {
  weft::pool p(2);
  bool ran = false;
  p.spawn([] { weft::sleep(2ms); });
  auto t = p.spawn([&] { p.spawn([&] { ran = true; }).get(); });
  t.get();
  EXPECT_TRUE(ran);
}

TEST(pool, who_waits_with_a_limit_or_is_no_member_is_no_deadlock) {
  weft::pool p(1);
  auto t = p.spawn([&] { return p.wait_available(2ms); });
  EXPECT_FALSE(t.get());
  auto endless = p.spawn([&] { p.wait_available(); });
  EXPECT_THROW(endless.get(), weft::deadlock_error);
  auto member = p.spawn([] { weft::sleep(2ms); });
  p.spawn([] {}).get(); // this fiber is no member
  EXPECT_TRUE(member.done());
}

TEST(pool, wait_available) {
  weft::pool p(1);
  EXPECT_TRUE(p.wait_available(0s));
  auto t = p.spawn([] { weft::sleep(1h); });
  EXPECT_FALSE(p.wait_available(1ms));
  auto waiter = weft::spawn([&] { p.wait_available(); });
  auto second = weft::spawn([&] { return p.wait_available(1h); });
  weft::yield();
  t.kill();
  waiter.get();
  EXPECT_TRUE(second.get()); // nobody took the room
}

TEST(pool, add_waits_for_room) {
  weft::pool p(1);
  auto t = p.spawn([] { weft::sleep(2ms); });
  auto other = weft::spawn([] { weft::sleep(1h); });
  p.add(other);
  EXPECT_TRUE(t.done());
  EXPECT_TRUE(p.full());
  p.kill();
  EXPECT_TRUE(other.was_cancelled());
}

TEST(pool, in_a_callback) {
  weft::pool p(1);
  bool ran = false;
  in_callback([&] {
    p.spawn([&] {
      weft::yield();
      ran = true;
    });
    EXPECT_FALSE(p.try_spawn([] {}));
    EXPECT_THROW(p.spawn([] {}), std::logic_error);
    EXPECT_THROW(p.wait_available(), std::logic_error);
  });
  p.join();
  EXPECT_TRUE(ran);
}

class pools : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(from, pools, all_places, name_of);

TEST_P(pools, hold_back_who_spawns_from_anywhere) {
  weft::pool p(3);
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  std::atomic<int> ended{0};
  run_at(GetParam(), 4, [&](int) {
    std::vector<weft::any_task> mine;
    for (int i = 0; i < 50; ++i)
      mine.push_back(p.spawn([&] {
        const int n = ++now;
        for (int was = most; was < n && !most.compare_exchange_weak(was, n);) {
        }
        weft::yield();
        --now;
        ++ended;
      }));
    weft::joinall(mine); // while this thread, and with it its hub, lives
  });
  EXPECT_EQ(ended, 200);
  EXPECT_LE(most, 3);
  EXPECT_EQ(p.free_count(), 3u);
}

} // namespace
