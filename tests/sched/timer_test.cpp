// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

namespace {

TEST(sleep, never_early_spans_and_points) {
  weft::spawn([] {
    for (const auto span : {1ms, 3ms, 20ms}) {
      const auto start = clock_type::now();
      weft::sleep(span);
      EXPECT_GE(clock_type::now() - start, span);
    }
    const auto point = clock_type::now() + 5ms;
    weft::sleep(point);
    EXPECT_GE(clock_type::now(), point);
    weft::this_fiber::sleep_until(std::chrono::system_clock::now() + 2ms);
    weft::this_fiber::sleep_for(1ms);
    weft::sleep(-1s);
    weft::sleep(clock_type::now() - 1h);
  }).get();
}

TEST(sleep, on_a_thread_without_a_hub) {
  std::thread([] {
    const auto start = clock_type::now();
    weft::sleep(10ms);
    EXPECT_GE(clock_type::now() - start, 10ms);
    weft::sleep(0s);
  }).join();
}

TEST(sleep, a_shorter_one_started_later_ends_first) {
  std::vector<int> order;
  auto fiber = [&](int ms) {
    weft::sleep(std::chrono::milliseconds(ms));
    order.push_back(ms);
  };
  const auto start = clock_type::now();
  weft::joinall([&] { fiber(30); }, [&] { fiber(20); }, [&] { fiber(10); });
  const auto took = clock_type::now() - start;
  EXPECT_EQ(order, (std::vector{10, 20, 30}));
  EXPECT_GE(took, 30ms);
  EXPECT_LT(took, 58ms); // less than the sum
}

TEST(call_later, runs_in_order_of_time_and_can_be_cancelled) {
  std::vector<int> order;
  auto later = weft::call_later(10ms, [&] { order.push_back(2); });
  weft::call_later(5ms, [&] { order.push_back(1); });
  weft::call_at(clock_type::now() + 15ms, [&] { order.push_back(3); });
  auto never = weft::call_later(1ms, [&] { order.push_back(9); });
  EXPECT_TRUE(never.active());
  EXPECT_TRUE(never.cancel());
  EXPECT_FALSE(never.cancel());
  EXPECT_FALSE(never.active());
  weft::sleep(30ms);
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
  EXPECT_FALSE(later.active());
  EXPECT_FALSE(later.cancel());
}

TEST(call_later, may_not_block) {
  bool refused = false;
  weft::call_later(0s, [&] {
    EXPECT_FALSE(weft::current().valid());
    try {
      weft::sleep(1ms);
    } catch (const std::logic_error&) {
      refused = true;
    }
    EXPECT_THROW(weft::yield(), std::logic_error);
    EXPECT_THROW(weft::spawn([] {}).join(), std::logic_error);
  });
  weft::sleep(5ms);
  EXPECT_TRUE(refused);
}

TEST(call_later, may_spawn_and_cancel_itself) {
  bool ran = false;
  weft::timer_handle handle;
  handle = weft::call_later(1ms, [&] {
    (void)weft::spawn([&] { ran = true; });
    handle.cancel();
  });
  weft::sleep(10ms);
  EXPECT_TRUE(ran);
}

TEST(call_later, cancelled_from_another_thread) {
  bool ran = false;
  auto handle = weft::call_later(5ms, [&] { ran = true; });
  std::thread([handle] { EXPECT_TRUE(handle.cancel()); }).join();
  weft::sleep(15ms);
  EXPECT_FALSE(ran);
}

TEST(every, does_not_drift_and_ends_by_cancel) {
  std::vector<clock_type::time_point> times;
  const auto start = clock_type::now();
  weft::timer_handle handle = weft::every(5ms, [&] {
    times.push_back(clock_type::now());
    if (times.size() == 4) handle.cancel();
  });
  weft::sleep(60ms);
  ASSERT_EQ(times.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_GE(times[i] - start, 5ms * static_cast<int>(i + 1));
  EXPECT_FALSE(handle.active());
  EXPECT_THROW(weft::every(0s, [] {}), std::invalid_argument);
  EXPECT_THROW(weft::every(-1s, [] {}), std::invalid_argument);
}

TEST(timed_calls, are_dropped_at_the_threads_end) {
  auto held = std::make_shared<int>(1);
  std::thread([&] {
    weft::call_later(1h, [held] {});
    weft::every(1h, [held] {});
    weft::yield();
  }).join();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(deadline, spans_points_and_their_ends) {
  using weft::deadline;
  EXPECT_TRUE(deadline().is_never());
  EXPECT_TRUE(deadline::never().is_never());
  EXPECT_EQ(deadline(5ns).at(100), 105);
  EXPECT_EQ(deadline(-5ns).at(100), 0);
  EXPECT_EQ(deadline(0s).at(100), 0);
  EXPECT_TRUE(deadline(std::chrono::hours::max()).is_never());
  EXPECT_TRUE(deadline(std::chrono::duration<double>(1e30)).is_never());
  EXPECT_EQ(deadline(std::chrono::duration<double>(0.5)).at(0), 500'000'000);
  EXPECT_EQ(deadline(clock_type::time_point(7ns)).at(100), 7);
  EXPECT_EQ(deadline(clock_type::time_point(-7ns)).at(100), 0);
}

} // namespace
