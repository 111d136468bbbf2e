// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <list>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "tests/future/waiters.hpp"
#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

weft::task<int> after(int ms) {
  return weft::spawn([ms] {
    weft::sleep(std::chrono::milliseconds(ms));
    return ms;
  });
}

std::vector<int> values(const std::vector<weft::task<int>>& tasks) {
  std::vector<int> out;
  for (const auto& t : tasks)
    out.push_back(t.get());
  return out;
}

TEST(joinall, the_finished_in_completion_order) {
  std::vector tasks{after(15), after(5), after(10)};
  EXPECT_EQ(values(weft::joinall(tasks)), (std::vector{5, 10, 15}));
  // All were done before: the order is known all the same.
  EXPECT_EQ(values(weft::joinall(tasks)), (std::vector{5, 10, 15}));
}

TEST(joinall, a_time_out_gives_a_partial_list) {
  std::vector tasks{after(1000), after(1)};
  const auto done = weft::joinall(tasks, {.timeout = 30ms});
  EXPECT_EQ(values(done), std::vector{1});
  EXPECT_TRUE(weft::joinall(tasks, {.timeout = -1s}).size() == 1);
  EXPECT_TRUE(weft::joinall(tasks, {.timeout = std::chrono::steady_clock::now()}).size() == 1);
  weft::killall(tasks);
}

TEST(joinall, raise_error_rethrows_the_earliest_while_siblings_run_on) {
  bool sibling = false;
  auto fail = [](const char* text, int ms) {
    return weft::spawn([=] {
      weft::sleep(std::chrono::milliseconds(ms));
      throw std::runtime_error(text);
    });
  };
  auto late = fail("late", 20);
  auto early = fail("early", 10);
  auto cancelled = weft::spawn([] { weft::sleep(1h); });
  auto other = weft::spawn([&] {
    weft::sleep(15ms);
    sibling = true;
  });
  weft::yield();
  cancelled.cancel(); // no failure
  try {
    weft::joinall({late, early, cancelled, other}, {.raise_error = true});
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "early");
  }
  EXPECT_FALSE(late.done());
  EXPECT_FALSE(sibling);
  EXPECT_EQ(weft::joinall({late, early, cancelled, other}).size(), 4u); // without: no exception
  EXPECT_TRUE(sibling);
  EXPECT_TRUE(late.exception());
}

TEST(joinall, count) {
  std::vector tasks{after(1000), after(1), after(2), after(1000)};
  EXPECT_EQ(values(weft::joinall(tasks, {.count = 2})), (std::vector{1, 2}));
  EXPECT_EQ(weft::joinall(tasks, {.count = 1}).size(), 1u);
  EXPECT_TRUE(weft::joinall(tasks, {.count = 0}).empty());
  weft::killall(tasks);
  EXPECT_EQ(weft::joinall(tasks, {.count = 99}).size(), 4u);
}

TEST(joinall, raise_error_looks_at_no_more_than_count) {
  auto fail = [](int ms) {
    return weft::spawn([=]() -> int {
      weft::sleep(std::chrono::milliseconds(ms));
      throw std::out_of_range(std::to_string(ms));
    });
  };
  std::vector tasks{fail(8), after(1), fail(4), fail(4)};
  EXPECT_EQ(values(weft::joinall(tasks, {.raise_error = true, .count = 1})), std::vector{1});
  try {
    weft::joinall(tasks, {.raise_error = true, .count = 2});
    FAIL();
  } catch (const std::out_of_range& e) {
    EXPECT_STREQ(e.what(), "4");
  }
  std::vector twice{tasks[0], tasks[0]};
  EXPECT_THROW(weft::joinall(twice, {.raise_error = true}), std::out_of_range);
  EXPECT_TRUE(tasks[0].exception());
  EXPECT_EQ(weft::joinall(tasks, {.raise_error = false}).size(), 4u);
}

TEST(joinall, leaves_no_waiter_behind) {
  std::vector tasks{after(1000), after(1), after(1000)};
  weft::joinall(tasks, {.count = 1});
  weft::joinall(tasks, {.timeout = 1ms});
  auto cancelled = weft::spawn([&] { weft::joinall(tasks); });
  weft::yield();
  EXPECT_EQ(waiters_of(tasks[0]), 1u);
  cancelled.kill();
  for (const auto& t : tasks)
    EXPECT_EQ(waiters_of(t), 0u);
  EXPECT_FALSE(tasks[0].done()); // who waits is cancelled, not what it waits for
  weft::killall(tasks);
}

TEST(joinall, empty_input_and_duplicates) {
  EXPECT_TRUE(weft::joinall(std::vector<weft::task<int>>{}).empty());
  auto t = after(2);
  std::vector twice{t, t};
  EXPECT_EQ(weft::joinall(twice).size(), 2u);
  auto u = after(2);
  std::vector again{u, u, u};
  EXPECT_EQ(weft::joinall(again, {.count = 2}).size(), 2u);
}

TEST(joinall, heterogeneous_packs_ranges_futures_and_callables) {
  auto a = weft::spawn([] { return 1; });
  auto b = weft::spawn([] { return std::string("x"); });
  auto mixed = weft::joinall(a, b);
  static_assert(std::is_same_v<decltype(mixed), std::vector<weft::any_task>>);
  EXPECT_EQ(mixed.size(), 2u);
  auto same = weft::joinall(a, after(1));
  static_assert(std::is_same_v<decltype(same), std::vector<weft::task<int>>>);
  EXPECT_EQ(same.size(), 2u);

  bool ran = false;
  auto called = weft::joinall([&] { ran = true; }, [] { return 2; });
  EXPECT_TRUE(ran);
  EXPECT_EQ(called.size(), 2u);

  std::list<std::function<int()>> functions{[] { return 1; }, [] { return 2; }};
  auto from_range = weft::joinall(functions);
  static_assert(std::is_same_v<decltype(from_range), std::vector<weft::task<int>>>);
  EXPECT_EQ(values(from_range), (std::vector{1, 2}));

  weft::promise<int> p;
  weft::call_later(2ms, [&] { p.set_value(9); });
  auto futures = weft::joinall(p.get_future(), p.get_future());
  static_assert(std::is_same_v<decltype(futures), std::vector<weft::future<int>>>);
  EXPECT_EQ(futures.size(), 2u);

  std::vector<weft::any_task> any{a, b, p.get_future()};
  EXPECT_EQ(weft::joinall(any).size(), 3u);
  EXPECT_EQ(weft::joinall({.timeout = 1s}, a, b, [] {}).size(), 3u);
  auto view = any | std::views::take(2);
  EXPECT_EQ(weft::joinall(view).size(), 2u);
}

TEST(joinall, waiting_ends_before_siblings_of_the_batch_are_forgotten) {
  for (int i = 0; i < 100; ++i) {
    std::vector<weft::task<void>> tasks;
    for (int k = 0; k < 20; ++k)
      tasks.push_back(weft::spawn([] {}));
    EXPECT_EQ(weft::joinall(tasks, {.count = 3}).size(), 3u);
    EXPECT_EQ(weft::joinall(tasks).size(), 20u);
  }
}

TEST(joinall, misuse) {
  EXPECT_THROW(weft::joinall({weft::any_task()}), weft::future_error);
}

TEST(joinall, on_a_thread_without_a_hub_and_across_hubs) {
  for (int i = 0; i < 50; ++i) {
    std::vector tasks{after(0), after(1), weft::spawn([] { return 0; })};
    std::thread bare([&] {
      EXPECT_EQ(weft::joinall(tasks).size(), 3u);
      EXPECT_FALSE(weft::current().valid());
    });
    std::thread hub([&] {
      weft::spawn([&] {
        (void)weft::joinall(tasks, {.timeout = std::chrono::microseconds(i * 20)});
        EXPECT_EQ(weft::joinall(tasks, {.count = 2}).size(), 2u);
      }).get();
    });
    std::thread quick(
        [&] { (void)weft::joinall(tasks, {.timeout = std::chrono::microseconds(i * 20)}); });
    weft::joinall(tasks);
    bare.join();
    hub.join();
    quick.join();
  }
}

} // namespace
