// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/containers/items.hpp"
#include "tests/sync/places.hpp"

using namespace weft::test;

namespace {

TEST(queue, gives_items_in_the_order_in_which_they_were_put) {
  weft::queue<int> q;
  for (int i = 0; i < 100; ++i)
    q.put(i);
  EXPECT_EQ(q.size(), 100u);
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(q.get(), i);
  for (int i = 100; i < 200; ++i) // round the end of the ring
    q.put(i);
  for (int i = 50; i < 200; ++i)
    EXPECT_EQ(q.get(), i);
  EXPECT_TRUE(q.empty());
}

TEST(queue, capacity) {
  weft::queue<int> q(2);
  EXPECT_EQ(q.capacity(), 2u);
  EXPECT_TRUE(q.try_put(1));
  EXPECT_FALSE(q.full());
  EXPECT_TRUE(q.try_put(2));
  EXPECT_TRUE(q.full());
  EXPECT_FALSE(q.try_put(3));
  EXPECT_EQ(q.size(), 2u);
  EXPECT_FALSE(weft::queue<int>().full());
}

TEST(queue, capacity_zero_is_refused) {
  EXPECT_THROW(weft::queue<int>(0), std::invalid_argument);
  EXPECT_THROW(weft::lifo_queue<int>(0), std::invalid_argument);
  EXPECT_THROW(weft::priority_queue<int>(std::size_t{0}), std::invalid_argument);
  try {
    weft::queue<int> q(0);
  } catch (const std::invalid_argument& e) {
    EXPECT_NE(std::string(e.what()).find("use weft::channel"), std::string::npos);
  }
}

TEST(queue, put_waits_while_it_is_full) {
  weft::queue<int> q(1);
  std::vector<int> steps;
  auto putter = weft::spawn([&] {
    for (int i = 0; i < 3; ++i) {
      q.put(i);
      steps.push_back(i);
    }
  });
  weft::yield();
  EXPECT_EQ(steps, std::vector{0});
  EXPECT_EQ(q.get(), 0);
  EXPECT_EQ(q.size(), 1u); // the putter's item has come in at once
  weft::yield();
  EXPECT_EQ(steps, (std::vector{0, 1}));
  EXPECT_EQ(q.get(), 1);
  EXPECT_EQ(q.get(), 2);
  putter.get();
}

TEST(queue, is_fair_to_getters) {
  weft::queue<int> q;
  std::vector<int> got(5, -1);
  std::vector<weft::task<void>> getters;
  for (int i = 0; i < 5; ++i)
    getters.push_back(weft::spawn([&, i] { got[static_cast<std::size_t>(i)] = q.get(); }));
  weft::yield();
  for (int i = 0; i < 5; ++i)
    q.put(i);
  EXPECT_TRUE(q.empty()); // handed over: whoever gets now does not overtake
  EXPECT_FALSE(q.try_get());
  weft::joinall(getters);
  EXPECT_EQ(got, (std::vector{0, 1, 2, 3, 4}));
}

TEST(queue, is_fair_to_putters) {
  weft::queue<int> q(1);
  q.put(-1);
  std::vector<weft::task<void>> putters;
  for (int i = 0; i < 5; ++i)
    putters.push_back(weft::spawn([&, i] { q.put(i); }));
  weft::yield();
  EXPECT_EQ(q.get(), -1);
  EXPECT_FALSE(q.try_put(99)); // the room was filled by who waited
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(q.get(), i);
  weft::joinall(putters);
}

TEST(queue, time_outs) {
  weft::queue<std::unique_ptr<int>> q(1);
  const auto start = clock_type::now();
  EXPECT_EQ(q.get(5ms), std::nullopt);
  EXPECT_GE(clock_type::now() - start, 5ms);
  EXPECT_EQ(q.get(-1s), std::nullopt);
  auto item = std::make_unique<int>(1);
  EXPECT_TRUE(q.put(std::move(item), 5ms));
  item = std::make_unique<int>(2);
  EXPECT_FALSE(q.put(std::move(item), 5ms));
  ASSERT_TRUE(item) << "an item that was not put was consumed";
  EXPECT_FALSE(q.try_put(std::move(item)));
  ASSERT_TRUE(item);
  EXPECT_EQ(*item, 2);
  EXPECT_EQ(**q.get(5ms), 1);
}

TEST(queue, loses_no_item_when_a_getter_is_cancelled_as_it_is_handed_over) {
  weft::queue<int> q;
  int got = 0;
  auto getter = weft::spawn([&] { got = q.get(); });
  auto second = weft::spawn([&] { return q.get(); });
  weft::yield();
  q.put(1);
  getter.cancel(); // it has its item already, and ends with it
  getter.join();
  EXPECT_EQ(got, 1);
  EXPECT_FALSE(second.done());
  second.cancel();
  q.put(2); // before the cancelled one runs: it gets it all the same
  EXPECT_EQ(second.get(), 2);
  EXPECT_TRUE(q.empty());
}

TEST(queue, loses_no_item_when_a_getter_is_cancelled_or_times_out) {
  weft::queue<int> q;
  auto cancelled = weft::spawn([&] { q.get(); });
  auto late = weft::spawn([&] { return q.get(2ms); });
  auto last = weft::spawn([&] { return q.get(); });
  weft::yield();
  cancelled.kill();
  EXPECT_EQ(late.get(), std::nullopt);
  q.put(7);
  EXPECT_EQ(last.get(), 7);
}

TEST(queue, a_putter_that_is_cancelled_or_times_out_has_put_nothing) {
  weft::queue<int> q(1);
  q.put(0);
  auto cancelled = weft::spawn([&] { q.put(1); });
  auto late = weft::spawn([&] { return q.put(2, 2ms); });
  auto last = weft::spawn([&] { q.put(3); });
  weft::yield();
  cancelled.kill();
  EXPECT_FALSE(late.get());
  EXPECT_EQ(q.get(), 0);
  EXPECT_EQ(q.get(), 3);
  last.get();
  EXPECT_TRUE(q.empty());
}

TEST(queue, what_need_not_wait_is_no_switch_point) {
  weft::queue<int> q;
  auto t = weft::spawn([&] {
    weft::current().cancel();
    q.put(1);
    EXPECT_EQ(q.get(), 1);
    EXPECT_EQ(q.try_get(), std::nullopt);
    q.join(0s);
    q.get(0s); // would have to wait: the request comes first
    ADD_FAILURE();
  });
  EXPECT_THROW(t.get(), weft::task_cancelled);
}

TEST(queue, peek) {
  weft::queue<std::string> q;
  EXPECT_EQ(q.try_peek(), std::nullopt);
  EXPECT_EQ(q.peek(1ms), std::nullopt);
  q.put("a");
  EXPECT_EQ(q.peek(), "a");
  EXPECT_EQ(q.try_peek(), "a");
  EXPECT_EQ(q.get(), "a");
}

TEST(queue, peekers_see_what_the_next_getter_gets) {
  weft::queue<std::string> q;
  auto first = weft::spawn([&] { return q.peek(); });
  auto second = weft::spawn([&] { return q.peek(); });
  weft::yield();
  q.put("only looked at");
  EXPECT_EQ(first.get(), "only looked at");
  EXPECT_EQ(second.get(), "only looked at");
  EXPECT_EQ(q.get(), "only looked at");

  auto before = weft::spawn([&] { return q.peek(); });
  auto getter = weft::spawn([&] { return q.get(); });
  auto after = weft::spawn([&] { return q.peek(); });
  weft::yield();
  q.put("a");
  EXPECT_EQ(before.get(), "a");
  EXPECT_EQ(getter.get(), "a");
  EXPECT_FALSE(after.done());
  q.put("b");
  EXPECT_EQ(after.get(), "b");
  EXPECT_EQ(q.size(), 1u);
}

TEST(queue, join_waits_until_all_is_done) {
  weft::queue<int> q;
  EXPECT_TRUE(q.join(0s));
  q.put(1);
  q.put(2);
  EXPECT_FALSE(q.join(1ms));
  auto worker = weft::spawn([&] {
    for (int i = 0; i < 2; ++i) {
      q.get();
      weft::yield();
      q.task_done();
    }
  });
  EXPECT_EQ(q.unfinished(), 2u);
  q.join();
  EXPECT_EQ(q.unfinished(), 0u);
  worker.get();
}

TEST(queue, items_of_waiting_getters_and_putters_count_as_unfinished) {
  weft::queue<int> q(1);
  auto getter = weft::spawn([&] { return q.get(); });
  weft::yield();
  q.put(1);
  EXPECT_EQ(q.unfinished(), 1u);
  q.put(2);
  auto putter = weft::spawn([&] { q.put(3); });
  weft::yield();
  EXPECT_EQ(q.unfinished(), 2u);
  EXPECT_EQ(q.get(), 2);
  EXPECT_EQ(q.unfinished(), 3u);
  getter.get();
  putter.get();
}

TEST(queue, task_done_too_often_is_refused) {
  weft::queue<int> q;
  EXPECT_THROW(q.task_done(), std::logic_error);
  q.put(1);
  q.task_done();
  EXPECT_THROW(q.task_done(), std::logic_error);
}

TEST(queue, close_refuses_putters_and_lets_getters_drain) {
  weft::queue<int> q(2);
  q.put(1);
  q.put(2);
  auto putter = weft::spawn([&] { q.put(3); });
  weft::yield();
  q.close();
  EXPECT_TRUE(q.closed());
  EXPECT_THROW(putter.get(), weft::queue_closed);
  EXPECT_THROW(q.put(4), weft::queue_closed);
  EXPECT_THROW(q.try_put(4), weft::queue_closed);
  EXPECT_EQ(q.get(), 1);
  EXPECT_EQ(q.try_get(), 2);
  EXPECT_THROW(q.get(), weft::queue_closed);
  EXPECT_THROW(q.get(1ms), weft::queue_closed);
  EXPECT_THROW(q.try_get(), weft::queue_closed);
  EXPECT_THROW(q.peek(), weft::queue_closed);
  q.close();
}

TEST(queue, close_wakes_getters_and_peekers) {
  weft::queue<int> q;
  auto getter = weft::spawn([&] { return q.get(); });
  auto peeker = weft::spawn([&] { return q.peek(); });
  auto timed = weft::spawn([&] { return q.get(1h); });
  weft::yield();
  q.close();
  EXPECT_THROW(getter.get(), weft::queue_closed);
  EXPECT_THROW(peeker.get(), weft::queue_closed);
  EXPECT_THROW(timed.get(), weft::queue_closed);
}

TEST(queue, iterates_until_it_is_closed) {
  weft::queue<std::unique_ptr<int>> q(3);
  auto consumer = weft::spawn([&] {
    std::vector<std::unique_ptr<int>> all;
    for (auto& item : q)
      all.push_back(std::move(item));
    return all;
  });
  for (int i = 0; i < 10; ++i)
    q.put(std::make_unique<int>(i));
  q.close();
  const auto& all = consumer.get();
  ASSERT_EQ(all.size(), 10u);
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(*all[static_cast<std::size_t>(i)], i);
  for ([[maybe_unused]] auto& item : q)
    ADD_FAILURE();
  static_assert(std::ranges::input_range<weft::queue<int>>);
}

TEST(queue, in_a_callback) {
  weft::queue<int> q(1);
  weft::promise<void> ran;
  weft::call_later(0s, [&] {
    EXPECT_EQ(q.try_get(), std::nullopt);
    EXPECT_THROW(q.get(), std::logic_error);
    EXPECT_THROW(q.peek(), std::logic_error);
    q.put(1);
    EXPECT_FALSE(q.try_put(2));
    EXPECT_THROW(q.put(2), std::logic_error);
    EXPECT_THROW(q.join(), std::logic_error);
    EXPECT_EQ(q.get(), 1);
    q.task_done();
    q.put(2);
    q.close();
    ran.set_value();
  });
  ran.get_future().get();
  EXPECT_EQ(q.get(), 2); // it can be used as before
}

TEST(queue, what_moving_throws_leaves_it_as_it_was) {
  weft::queue<brittle> q(2);
  q.put(brittle(1));
  brittle bad(2, 0);
  EXPECT_THROW(q.put(std::move(bad)), broken);
  EXPECT_EQ(q.size(), 1u);
  EXPECT_EQ(q.unfinished(), 1u);
  EXPECT_EQ(q.get().value, 1);
  EXPECT_TRUE(q.empty());
  for (int i = 0; i < 20; ++i) { // it grows without moving any
    weft::queue<brittle> unbounded;
    unbounded.put(brittle(i));
    for (int k = 0; k < 20; ++k)
      unbounded.put(brittle(k));
    EXPECT_EQ(unbounded.get().value, i);
  }
}

TEST(queue, what_moving_a_waiting_putters_item_throws_is_thrown_there) {
  weft::queue<brittle> q(1);
  q.put(brittle(1));
  auto broken_one = weft::spawn([&] {
    brittle bad(2, 0);
    q.put(std::move(bad));
  });
  auto good_one = weft::spawn([&] { q.put(brittle(3)); });
  weft::yield();
  EXPECT_EQ(q.get().value, 1);
  EXPECT_THROW(broken_one.get(), broken);
  good_one.get();
  EXPECT_EQ(q.get().value, 3);
}

TEST(queue, what_handing_over_throws_is_thrown_in_put_and_the_getter_waits_on) {
  weft::queue<brittle> q;
  auto getter = weft::spawn([&] { return q.get().value; });
  weft::yield();
  brittle bad(1, 0);
  EXPECT_THROW(q.put(std::move(bad)), broken);
  EXPECT_EQ(q.unfinished(), 0u);
  weft::yield();
  EXPECT_FALSE(getter.done());
  q.put(brittle(2));
  EXPECT_EQ(getter.get(), 2);
}

TEST(queue, waiting_for_ever_is_a_deadlock) {
  weft::queue<int> q;
  auto t = weft::spawn([&] { q.get(); });
  try {
    t.join();
    FAIL();
  } catch (const weft::deadlock_error& e) {
    EXPECT_NE(std::string(e.what()).find("queue::get"), std::string::npos) << e.what();
  }
  q.put(1);
  t.join();
}

TEST(lifo_queue, gives_the_newest_first) {
  weft::lifo_queue<int> q(3);
  for (int i = 0; i < 3; ++i)
    q.put(i);
  EXPECT_FALSE(q.try_put(3));
  EXPECT_EQ(q.peek(), 2);
  for (int i = 2; i >= 0; --i)
    EXPECT_EQ(q.get(), i);
}

TEST(priority_queue, gives_the_smallest_first_and_of_equals_the_oldest) {
  weft::priority_queue<std::pair<int, int>, first_less> q;
  std::mt19937 random(7);
  std::vector<std::pair<int, int>> model;
  for (int i = 0; i < 500; ++i) {
    model.emplace_back(static_cast<int>(random() % 20), i);
    q.put(model.back());
  }
  std::ranges::stable_sort(model, {}, &std::pair<int, int>::first);
  for (const auto& expected : model)
    EXPECT_EQ(q.get(), expected);
}

TEST(priority_queue, takes_any_order_and_move_only_items) {
  weft::priority_queue<int, std::greater<>> largest(5);
  for (const int i : {3, 1, 4, 1, 5})
    largest.put(i);
  EXPECT_EQ(largest.get(), 5);
  auto by_value = [](const auto& a, const auto& b) { return *a < *b; };
  weft::priority_queue<std::unique_ptr<int>, decltype(by_value)> q(by_value);
  q.put(std::make_unique<int>(2));
  q.put(std::make_unique<int>(1));
  EXPECT_EQ(*q.get(), 1);
}

TEST(priority_queue, a_comparison_that_throws_leaves_it_as_it_was) {
  int left = -1; // comparisons until one throws
  auto compare = [&left](int a, int b) {
    if (left == 0) throw broken();
    if (left > 0) --left;
    return a < b;
  };
  for (int fails_after = 0; fails_after < 8; ++fails_after) {
    weft::priority_queue<int, decltype(compare)> q(compare);
    for (int i = 10; i > 0; --i)
      q.put(i);
    left = fails_after;
    try {
      EXPECT_EQ(q.get(), 1);
      left = -1;
      q.put(1); // it took fewer than those
    } catch (const broken&) {
    }
    left = fails_after;
    try {
      q.put(0);
      left = -1;
      EXPECT_EQ(q.get(), 0);
    } catch (const broken&) {
    }
    left = -1;
    EXPECT_EQ(q.size(), 10u);
    for (int i = 1; i <= 10; ++i)
      EXPECT_EQ(q.get(), i);
  }
}

// From anywhere ----------------------------------------------------------

class queues : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(from, queues, all_places, name_of);

template <class Queue>
void every_item_once(Queue& q, place where) {
  constexpr int each = 500;
  constexpr int putters = 3;
  std::mutex mutex;
  std::vector<int> got;
  std::atomic<int> putting{putters};
  run_at(where, 2 * putters, [&](int party) {
    if (party < putters) {
      for (int i = 0; i < each; ++i)
        q.put(party * each + i);
      if (--putting == 0) q.close();
      return;
    }
    std::vector<int> mine;
    for (const int item : q) {
      mine.push_back(item);
      q.task_done();
    }
    const std::lock_guard held(mutex);
    got.insert(got.end(), mine.begin(), mine.end());
  });
  std::ranges::sort(got);
  std::vector<int> all(putters * each);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(got, all);
  EXPECT_EQ(q.unfinished(), 0u);
}

TEST_P(queues, hand_over_every_item_once) {
  weft::queue<int> small(2);
  every_item_once(small, GetParam());
  weft::queue<int> unbounded;
  every_item_once(unbounded, GetParam());
  weft::lifo_queue<int> lifo(3);
  every_item_once(lifo, GetParam());
  weft::priority_queue<int> priority(3);
  every_item_once(priority, GetParam());
}

TEST_P(queues, keep_the_order_of_each_putter) {
  weft::queue<int> q(4);
  run_at(GetParam(), 2, [&](int party) {
    if (party == 1) {
      for (int i = 0; i < 2000; ++i)
        q.put(i);
      q.close();
      return;
    }
    int expected = 0;
    for (const int item : q)
      ASSERT_EQ(item, expected++);
    EXPECT_EQ(expected, 2000);
  });
}

TEST_P(queues, join_from_anywhere) {
  weft::queue<int> q;
  std::atomic<int> handled{0};
  run_at(GetParam(), 4, [&](int party) {
    if (party == 0) {
      for (int i = 0; i < 300; ++i)
        q.put(i);
      q.join();
      EXPECT_EQ(handled, 300);
      q.close();
      return;
    }
    for ([[maybe_unused]] const int item : q) {
      ++handled;
      q.task_done();
    }
  });
}

TEST_P(queues, time_out_while_others_put) {
  weft::queue<int> q(1);
  std::atomic<int> put{0};
  std::atomic<int> got{0};
  run_at(GetParam(), 6, [&](int party) {
    for (int i = 0; i < 200; ++i) {
      const auto limit = std::chrono::microseconds((i * 7 + party) % 50);
      if (party % 3 == 0)
        put += q.put(i, limit);
      else
        got += q.get(limit).has_value();
    }
  });
  EXPECT_EQ(static_cast<std::size_t>(put - got), q.size());
}

} // namespace
