// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "tests/sync/places.hpp"

using namespace weft::test;

namespace {

/// Counts how many are at it.
struct meter {
  int now = 0;
  int most = 0;
  int started = 0;
  int ended = 0; // in whatever way

  struct entry {
    explicit entry(meter& m) : in(m) {
      in.most = std::max(in.most, ++in.now);
      ++in.started;
    }
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;
    ~entry() {
      --in.now;
      ++in.ended;
    }
    meter& in;
  };
};

TEST(map, gives_results_in_order) {
  weft::pool p(3);
  meter m;
  const std::vector<int> items{5, 1, 4, 2, 3};
  const auto results = p.map(
      [&](int n) {
        const meter::entry e(m);
        weft::sleep(std::chrono::milliseconds(n));
        return n * n;
      },
      items);
  EXPECT_EQ(results, (std::vector{25, 1, 16, 4, 9}));
  EXPECT_EQ(m.most, 3);
  weft::group g;
  EXPECT_EQ(g.map([](int n) { return std::to_string(n); }, std::views::iota(0, 3)),
            (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_TRUE(g.map([](int) { return 1; }, std::vector<int>()).empty());
}

TEST(map, of_nothing_returned_of_references_and_of_move_only_results) {
  weft::pool p(2);
  int sum = 0;
  p.map([&](int n) { sum += n; }, std::vector{1, 2, 3});
  static_assert(std::is_void_v<decltype(p.map([](int) {}, std::vector{1}))>);
  EXPECT_EQ(sum, 6);
  std::vector<int> numbers{1, 2};
  const auto places =
      p.map([&](std::size_t i) -> int& { return numbers[i]; }, std::vector<std::size_t>{1, 0});
  places[0].get() = 7;
  EXPECT_EQ(numbers, (std::vector{1, 7}));
  const auto owned = p.map([](int n) { return std::make_unique<int>(n); }, numbers);
  EXPECT_EQ(*owned[1], 7);
}

TEST(map, gives_items_that_cannot_be_copied_as_they_are) {
  weft::pool p(2);
  std::vector<std::unique_ptr<int>> items;
  items.push_back(std::make_unique<int>(1));
  items.push_back(std::make_unique<int>(2));
  EXPECT_EQ(p.map([](std::unique_ptr<int>& item) { return ++*item; }, items), (std::vector{2, 3}));
  EXPECT_EQ(*items[0], 2);
  const auto moved = std::ranges::subrange(std::make_move_iterator(items.begin()),
                                           std::make_move_iterator(items.end()));
  EXPECT_EQ(p.map([](std::unique_ptr<int> item) { return *item; }, moved), (std::vector{2, 3}));
  EXPECT_FALSE(items[0]);
}

TEST(map, rethrows_the_first_failure_and_ends_the_others) {
  weft::pool p(3);
  meter m;
  EXPECT_THROW(p.map(
                   [&](int n) {
                     const meter::entry e(m);
                     if (n == 1) throw std::out_of_range("1");
                     weft::sleep(n == 0 ? 1ms : 1h);
                   },
                   std::views::iota(0)),
               std::out_of_range);
  EXPECT_EQ(m.now, 0);
  EXPECT_LE(m.started, 5);
  EXPECT_TRUE(p.empty());
}

TEST(imap, is_lazy_and_really_holds_back) {
  weft::pool p(3);
  meter m;
  int asked = 0;
  auto endless = std::views::iota(0) | std::views::transform([&](int n) {
                   ++asked;
                   return n;
                 });
  {
    auto results = p.imap(
        [&](int n) {
          const meter::entry e(m);
          weft::yield();
          return n;
        },
        endless);
    EXPECT_EQ(asked, 0);
    int taken = 0;
    for (const int n : results) {
      EXPECT_EQ(n, taken++);
      weft::sleep(1ms); // a slow loop: what was started ends meanwhile, and nothing more starts
      EXPECT_LE(m.started, taken + 3);
      EXPECT_LE(asked, taken + 3);
      EXPECT_EQ(m.now, 0);
      if (taken == 10) break;
    }
  }
  EXPECT_EQ(m.most, 3);
  EXPECT_EQ(m.started, m.ended);
}

TEST(imap, goes_ahead_by_its_buffer) {
  weft::pool p(2);
  meter m;
  auto results = p.imap(
      [&](int n) {
        const meter::entry e(m);
        do
          weft::sleep(100us);
        while (n == 0 && m.ended < 5);
        return n;
      },
      std::views::iota(0), {.buffer = 4});
  EXPECT_EQ(*results.begin(), 0); // while it waited for the slow one, others took their turns
  EXPECT_EQ(m.started, 6);
  EXPECT_EQ(m.ended, 6);
  EXPECT_EQ(m.most, 2);
}

TEST(imap, starts_more_while_it_waits) {
  weft::pool p(2);
  meter m;
  std::vector<int> order;
  for (const int n : p.imap_unordered(
           [&](int i) {
             const meter::entry e(m);
             do
               weft::sleep(100us);
             while (i == 0 && m.ended < 3);
             return i;
           },
           std::views::iota(0, 4)))
    order.push_back(n);
  EXPECT_EQ(order, (std::vector{1, 2, 3, 0}));
  EXPECT_EQ(m.most, 2);
}

TEST(imap, left_early_cancels_and_joins_what_is_left) {
  weft::pool p(4);
  meter m;
  int cleaned = 0;
  for (const int n : p.imap_unordered(
           [&](int i) {
             const meter::entry e(m);
             if (i == 2) return i;
             try {
               weft::sleep(1h);
             } catch (const weft::cancelled&) {
               weft::sleep(1ms);
               ++cleaned;
               throw;
             }
             return i;
           },
           std::views::iota(0))) {
    EXPECT_EQ(n, 2);
    break;
  }
  EXPECT_EQ(m.now, 0);
  EXPECT_EQ(cleaned, 3);
  EXPECT_TRUE(p.empty());
}

TEST(imap, cancelling_the_loop_ends_its_tasks) {
  weft::pool p(2);
  meter m;
  auto t = weft::spawn([&] {
    p.map(
        [&](int) {
          const meter::entry e(m);
          weft::sleep(1h);
        },
        std::views::iota(0));
  });
  weft::sleep(1ms);
  EXPECT_EQ(m.now, 2);
  t.kill();
  EXPECT_TRUE(t.was_cancelled());
  EXPECT_EQ(m.now, 0);
  EXPECT_TRUE(p.empty());
}

TEST(imap, a_failure_is_a_step_of_its_own) {
  weft::pool p(2);
  auto results = p.imap(
      [](int n) {
        if (n % 2 == 0) throw std::out_of_range(std::to_string(n));
        return n;
      },
      std::vector{0, 1, 2, 3});
  EXPECT_THROW(static_cast<void>(results.begin()), std::out_of_range);
  auto it = results.begin();
  EXPECT_EQ(*it, 1);
  EXPECT_THROW(++it, std::out_of_range);
  ++it;
  EXPECT_EQ(*it, 3);
  ++it;
  EXPECT_TRUE(it == results.end());
}

TEST(imap, one_whose_task_somebody_cancelled) {
  weft::pool p(2);
  weft::call_later(1ms, [&] { p.cancel(); });
  EXPECT_THROW(p.map([](int) { weft::sleep(1h); }, std::vector{0, 1}), weft::task_cancelled);
}

TEST(imap, what_the_range_throws_ends_it) {
  weft::pool p(2);
  auto failing = std::views::iota(0) | std::views::transform([](int n) {
                   if (n == 2) throw std::domain_error("range");
                   return n;
                 });
  std::vector<int> got;
  EXPECT_THROW(for (const int n
                    : p.imap([](int i) { return i; }, failing)) got.push_back(n),
               std::domain_error);
  EXPECT_TRUE(p.empty());
}

TEST(imap, shares_the_pool_with_others) {
  weft::pool p(2);
  auto other = p.spawn([] { weft::sleep(3ms); });
  meter m;
  const auto results = p.map(
      [&](int n) {
        const meter::entry e(m);
        weft::yield();
        return n;
      },
      std::views::iota(0, 20));
  EXPECT_EQ(results.size(), 20u);
  other.get();

  auto full = p.spawn([] { weft::sleep(2ms); });
  auto full_too = p.spawn([] { weft::sleep(2ms); });
  EXPECT_EQ(p.map([](int n) { return n; }, std::vector{1}), std::vector{1}); // waits for room
}

TEST(imap, into_its_own_full_pool_is_an_error) {
  weft::pool p(1);
  auto t = p.spawn([&] { return p.map([](int n) { return n; }, std::vector{1}); });
  EXPECT_THROW(t.get(), weft::deadlock_error);
}

TEST(imap, of_void_and_moved_about) {
  weft::group g;
  auto results = g.imap([](int) {}, std::vector{1, 2, 3});
  auto elsewhere = std::move(results);
  std::size_t n = 0;
  for (std::monostate& nothing : elsewhere) {
    static_cast<void>(nothing);
    ++n;
  }
  EXPECT_EQ(n, 3u);
  static_assert(std::ranges::input_range<decltype(elsewhere)>);
}

TEST(imap, misuse) {
  weft::pool p(1);
  EXPECT_THROW(static_cast<void>(p.imap(std::function<int(int)>(), std::vector{1})),
               std::invalid_argument);
  in_callback([&] {
    auto results = p.imap([](int n) { return n; }, std::vector{1});
    EXPECT_THROW(static_cast<void>(results.begin()), std::logic_error);
  });
  p.join();
}

class maps : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(from, maps, all_places, name_of);

TEST_P(maps, from_anywhere) {
  weft::pool p(5);
  std::atomic<int> now{0};
  std::atomic<bool> too_many{false};
  run_at(GetParam(), 3, [&](int) {
    int expected = 0;
    for (const int n : p.imap(
             [&](int i) {
               if (++now > 5) too_many = true;
               if (i % 7 == 0) weft::sleep(100us);
               --now;
               return i;
             },
             std::views::iota(0, 200), {.buffer = 3}))
      EXPECT_EQ(n, expected++);
    EXPECT_EQ(expected, 200);
    int sum = 0;
    for (const int n : p.imap_unordered([](int i) { return i; }, std::views::iota(0, 100)))
      sum += n;
    EXPECT_EQ(sum, 4950);
    for ([[maybe_unused]] const int n :
         p.imap([](int i) { return i; }, std::views::iota(0))) // left early
      break;
  });
  EXPECT_FALSE(too_many);
  p.join();
}

} // namespace
