// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <functional>
#include <iterator>
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

weft::task<int> failing(int ms) {
  return weft::spawn([ms]() -> int {
    weft::sleep(std::chrono::milliseconds(ms));
    throw std::runtime_error("failed");
  });
}

template <class Range>
std::vector<int> values(Range&& tasks) {
  std::vector<int> out;
  for (const auto& t : tasks)
    out.push_back(t.get());
  return out;
}

// wait ------------------------------------------------------------------------

TEST(wait, all_completed) {
  std::vector tasks{after(6), after(2), after(4)};
  auto [done, pending] = weft::wait(tasks);
  EXPECT_EQ(values(done), (std::vector{2, 4, 6}));
  EXPECT_TRUE(pending.empty());
}

TEST(wait, first_completed) {
  std::vector tasks{after(1000), after(2), after(1000)};
  auto [done, pending] = weft::wait(tasks, {.when = weft::first_completed});
  EXPECT_EQ(values(done), std::vector{2});
  ASSERT_EQ(pending.size(), 2u);
  EXPECT_EQ(pending[0], tasks[0]);
  EXPECT_EQ(pending[1], tasks[2]);
  weft::killall(tasks);
  EXPECT_EQ(weft::wait(tasks, {.when = weft::first_completed}).done.size(), 3u); // all that are
}

TEST(wait, first_exception_ignores_cancelled_ones) {
  auto cancelled = after(1000);
  cancelled.cancel();
  std::vector tasks{after(1000), cancelled, failing(4), after(2)};
  auto [done, pending] = weft::wait(tasks, {.when = weft::first_exception});
  EXPECT_EQ(done.size(), 3u);
  EXPECT_EQ(done.back(), tasks[2]);
  EXPECT_EQ(pending.size(), 1u);
  EXPECT_TRUE(tasks[2].exception());
  std::vector fine{after(1), cancelled};
  EXPECT_EQ(weft::wait(fine, {.when = weft::first_exception}).done.size(), 2u);
  weft::killall(tasks);
}

TEST(wait, a_time_out_is_no_exception_and_cancels_nothing) {
  std::vector tasks{after(1000), after(1)};
  auto [done, pending] = weft::wait(tasks, {.timeout = 20ms});
  EXPECT_EQ(values(done), std::vector{1});
  ASSERT_EQ(pending.size(), 1u);
  EXPECT_FALSE(pending[0].done());
  EXPECT_EQ(weft::wait(tasks, {.timeout = -1s}).pending.size(), 1u);
  EXPECT_EQ(weft::wait(tasks, {.timeout = std::chrono::steady_clock::now()}).done.size(), 1u);
  weft::killall(tasks);
}

TEST(wait, of_nothing_and_of_duplicates) {
  auto [done, pending] = weft::wait(std::vector<weft::task<int>>{});
  EXPECT_TRUE(done.empty());
  EXPECT_TRUE(pending.empty());
  auto t = after(1);
  auto u = after(1000);
  auto twice = weft::wait({t, t, u, u}, {.timeout = 10ms});
  EXPECT_EQ(twice.done.size(), 2u);
  EXPECT_EQ(twice.pending.size(), 2u);
  u.kill();
}

TEST(wait, packs_ranges_tasks_futures_and_callables) {
  auto a = weft::spawn([] { return 1; });
  auto same = weft::wait(a, after(1));
  static_assert(std::is_same_v<decltype(same), weft::wait_result<weft::task<int>>>);
  auto mixed = weft::wait({.timeout = 1s}, a, [] { return std::string("x"); });
  static_assert(std::is_same_v<decltype(mixed), weft::wait_result<weft::any_task>>);
  EXPECT_EQ(mixed.done.size(), 2u);
  std::vector<std::function<int()>> functions{[] { return 1; }, [] { return 2; }};
  EXPECT_EQ(weft::wait(functions).done.size(), 2u);
  weft::promise<int> p;
  weft::call_later(1ms, [&] { p.cancel(); });
  EXPECT_EQ(weft::wait(p.get_future(), p.get_future()).done.size(), 2u);
}

TEST(wait, leaves_no_waiter_behind) {
  std::vector tasks{after(1000), after(1), after(1000)};
  weft::wait(tasks, {.when = weft::first_completed});
  weft::wait(tasks, {.timeout = 1ms});
  auto waiting = weft::spawn([&] { weft::wait(tasks); });
  weft::yield();
  EXPECT_EQ(waiters_of(tasks[0]), 1u);
  waiting.kill();
  EXPECT_TRUE(waiting.was_cancelled());
  for (const auto& t : tasks)
    EXPECT_EQ(waiters_of(t), 0u);
  weft::killall(tasks);
}

TEST(wait, misuse) {
  EXPECT_THROW(weft::wait({weft::any_task()}), weft::future_error);
  weft::spawn([] { EXPECT_THROW(weft::wait(weft::current()), weft::deadlock_error); }).get();
  auto t = after(1);
  bool refused = false;
  weft::call_later(0ms, [&] {
    try {
      weft::wait(t);
    } catch (const std::logic_error&) {
      refused = true;
    }
  });
  t.join();
  EXPECT_TRUE(refused);
}

// as_completed ------------------------------------------------------------------

TEST(as_completed, in_completion_order) {
  std::vector tasks{after(10), after(2), after(6)};
  EXPECT_EQ(values(weft::as_completed(tasks)), (std::vector{2, 6, 10}));
  EXPECT_EQ(values(weft::as_completed(tasks)), (std::vector{2, 6, 10})); // done before
}

TEST(as_completed, each_as_soon_as_it_is_done) {
  std::vector tasks{after(1000), after(2)};
  auto range = weft::as_completed(tasks);
  auto at = range.begin();
  EXPECT_EQ(at->get(), 2);
  EXPECT_FALSE(tasks[0].done());
  tasks[0].cancel();
  ++at;
  EXPECT_TRUE(at->was_cancelled());
  EXPECT_FALSE(at == range.end());
  ++at;
  EXPECT_TRUE(at == range.end());
}

TEST(as_completed, is_an_input_range) {
  using range = decltype(weft::as_completed(std::vector<weft::task<int>>{}));
  static_assert(std::ranges::input_range<range>);
  static_assert(std::movable<range> && !std::copyable<range>);
  static_assert(std::is_same_v<std::ranges::range_value_t<range>, weft::task<int>>);
  int first = 0;
  for (auto& t : weft::as_completed(after(6), after(2)) | std::views::take(1))
    first = t.get();
  EXPECT_EQ(first, 2);
}

TEST(as_completed, a_time_out_throws_after_those_that_are_done) {
  std::vector tasks{after(1000), after(2), after(1)};
  std::vector<int> seen;
  EXPECT_THROW(
      {
        for (auto& t : weft::as_completed(tasks, {.timeout = 30ms}))
          seen.push_back(t.get());
      },
      weft::timeout_error);
  EXPECT_EQ(seen, (std::vector{1, 2}));
  seen.clear();
  EXPECT_THROW(
      {
        for (auto& t : weft::as_completed(tasks, {.timeout = -1s}))
          seen.push_back(t.get());
      },
      weft::timeout_error);
  EXPECT_EQ(seen, (std::vector{1, 2}));
  EXPECT_FALSE(tasks[0].done());
  weft::killall(tasks);
}

TEST(as_completed, of_nothing_and_of_duplicates) {
  for (auto& t : weft::as_completed(std::vector<weft::task<int>>{}, {.timeout = 0s}))
    ADD_FAILURE() << t.get();
  auto t = after(2);
  EXPECT_EQ(values(weft::as_completed(t, after(1), t)), (std::vector{1, 2, 2}));
}

TEST(as_completed, packs_options_callables_and_mixed_types) {
  int n = 0;
  for (auto& t : weft::as_completed(
           {.timeout = 1s}, after(1), [&] { ++n; }, [] { return ""; })) {
    static_assert(std::is_same_v<decltype(t), weft::any_task&>);
    t.get();
    ++n;
  }
  EXPECT_EQ(n, 4);
  for (auto& t : weft::as_completed({after(1), weft::spawn([] {})}, {.timeout = 1s}))
    EXPECT_TRUE(t.done());
}

TEST(as_completed, results_can_be_taken_out) {
  std::vector<weft::task<std::unique_ptr<int>>> tasks;
  for (int i = 0; i < 3; ++i)
    tasks.push_back(weft::spawn([i] { return std::make_unique<int>(i); }));
  int sum = 0;
  for (auto& t : weft::as_completed(std::move(tasks)))
    sum += *std::move(t).get();
  EXPECT_EQ(sum, 3);
}

TEST(as_completed, leaving_early_leaves_no_callback_behind) {
  std::vector tasks{after(1000), after(1), after(1000)};
  for (auto& t : weft::as_completed(tasks)) {
    EXPECT_EQ(t.get(), 1);
    EXPECT_EQ(waiters_of(tasks[0]), 1u);
    break;
  }
  for (const auto& t : tasks)
    EXPECT_EQ(waiters_of(t), 0u);
  {
    auto kept = weft::as_completed(tasks);
    (void)kept.begin();
    auto again = weft::spawn([&] { (void)++kept.begin(); });
    weft::yield();
    EXPECT_EQ(waiters_of(tasks[0]), 1u);
    again.kill();
    EXPECT_TRUE(again.was_cancelled());
    auto other = weft::as_completed(after(1));
    kept = weft::as_completed(tasks);
  }
  EXPECT_EQ(waiters_of(tasks[0]), 0u);
  weft::killall(tasks);
}

TEST(as_completed, the_tasks_may_end_while_it_is_left) {
  for (int i = 0; i < 200; ++i) {
    std::vector<weft::promise<int>> promises(4);
    std::vector<weft::future<int>> futures;
    for (const auto& p : promises)
      futures.push_back(p.get_future());
    std::thread setter([&] {
      for (auto& p : promises)
        p.set_value(1);
    });
    int left = i % 4;
    for (auto& f : weft::as_completed(futures)) {
      EXPECT_EQ(f.get(), 1);
      if (--left < 0) break;
    }
    setter.join();
  }
}

TEST(as_completed, on_a_thread_without_a_hub_and_across_hubs) {
  for (int i = 0; i < 30; ++i) {
    std::vector tasks{after(1), after(0), after(2)};
    std::thread bare([&] {
      EXPECT_EQ(values(weft::as_completed(tasks)).size(), 3u);
      EXPECT_FALSE(weft::current().valid());
    });
    std::thread hub([&] {
      weft::spawn([&] { EXPECT_EQ(values(weft::as_completed(tasks)).size(), 3u); }).get();
    });
    EXPECT_EQ(values(weft::as_completed(tasks)).size(), 3u);
    bare.join();
    hub.join();
  }
}

TEST(as_completed, made_here_and_walked_on_another_thread) {
  std::vector tasks{after(4), after(2)};
  auto range = weft::as_completed(tasks);
  std::vector<int> seen;
  weft::promise<void> walked;
  std::thread other([&] {
    seen = values(range);
    walked.set_value();
  });
  walked.get_future().get();
  other.join();
  EXPECT_EQ(seen, (std::vector{2, 4}));
}

TEST(as_completed, misuse) {
  EXPECT_THROW((void)weft::as_completed(weft::task<int>()), weft::future_error);
  weft::spawn([] {
    auto range = weft::as_completed(weft::current());
    EXPECT_THROW((void)range.begin(), weft::deadlock_error);
  }).get();
}

// iwait -------------------------------------------------------------------------

TEST(iwait, in_completion_order_and_ends_when_the_time_is_over) {
  std::vector tasks{after(1000), after(4), after(2)};
  EXPECT_EQ(values(weft::iwait(tasks, {.timeout = 30ms})), (std::vector{2, 4}));
  EXPECT_EQ(values(weft::iwait(tasks, {.timeout = 0s})), (std::vector{2, 4}));
  EXPECT_EQ(waiters_of(tasks[0]), 0u);
  weft::killall(tasks);
}

TEST(iwait, count) {
  std::vector tasks{after(1000), after(4), after(2)};
  EXPECT_EQ(values(weft::iwait(tasks, {.count = 2})), (std::vector{2, 4}));
  EXPECT_TRUE(values(weft::iwait(tasks, {.count = 0})).empty());
  weft::killall(tasks);
  int n = 0;
  for (auto& t : weft::iwait(tasks, {.count = 99}))
    n += t.done() ? 1 : 0;
  EXPECT_EQ(n, 3);
}

TEST(iwait, packs_and_duplicates) {
  auto t = after(2);
  EXPECT_EQ(values(weft::iwait({.count = 3}, t, after(1), t)), (std::vector{1, 2, 2}));
  EXPECT_EQ(values(weft::iwait(t, t)), (std::vector{2, 2}));
  for (auto& any : weft::iwait({t, weft::spawn([] {})}))
    EXPECT_TRUE(any.done());
}

TEST(iwait, leaving_early_leaves_no_callback_behind) {
  weft::promise<int> never;
  auto f = never.get_future();
  for (auto& t : weft::iwait(f, after(1))) {
    EXPECT_TRUE(t.done());
    break;
  }
  EXPECT_EQ(waiters_of(f), 0u);
}

} // namespace
