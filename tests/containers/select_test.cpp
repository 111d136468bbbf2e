// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/containers/items.hpp"
#include "tests/sync/places.hpp"

using namespace weft::test;
using weft::on_receive;
using weft::on_send;

namespace {

TEST(select, takes_the_case_that_can_happen) {
  weft::channel<int> numbers(1);
  weft::channel<std::string> words(1);
  numbers.send(1);
  std::optional<int> n;
  EXPECT_EQ(weft::select(on_receive(words, [](auto) { ADD_FAILURE(); }),
                         on_receive(numbers, [&](std::optional<int> got) { n = got; })),
            1u);
  EXPECT_EQ(n, 1);
  bool sent = false;
  EXPECT_EQ(weft::select(on_send(words, "hello", [&] { sent = true; }), on_receive(numbers)), 0u);
  EXPECT_TRUE(sent);
  EXPECT_EQ(words.receive(), "hello");
}

TEST(select, waits_until_one_can) {
  weft::channel<int> a;
  weft::channel<int> b;
  auto receiver = weft::spawn([&] {
    std::vector<std::size_t> cases;
    for (int i = 0; i < 3; ++i)
      cases.push_back(weft::select(on_receive(a), on_receive(b)));
    return cases;
  });
  b.send(1);
  a.send(1);
  b.send(1);
  EXPECT_EQ(receiver.get(), (std::vector<std::size_t>{1, 0, 1}));
  EXPECT_FALSE(a.try_send(1)); // it waits no more
  EXPECT_FALSE(b.try_send(1));
}

TEST(select, sends_when_a_receiver_comes) {
  weft::channel<std::unique_ptr<int>> a;
  weft::channel<std::unique_ptr<int>> b;
  auto sender = weft::spawn([&] {
    return weft::select(on_send(a, std::make_unique<int>(1)), on_send(b, std::make_unique<int>(2)));
  });
  EXPECT_EQ(**b.receive(), 2);
  EXPECT_EQ(sender.get(), 1u);
  EXPECT_EQ(a.try_receive(), std::nullopt);
}

TEST(select, try_and_deadline) {
  weft::channel<int> c;
  EXPECT_EQ(weft::try_select(on_receive(c), on_send(c, 1)), std::nullopt); // not with itself
  const auto start = clock_type::now();
  EXPECT_EQ(weft::select(5ms, on_receive(c), on_send(c, 1)), std::nullopt);
  EXPECT_GE(clock_type::now() - start, 5ms);
  EXPECT_EQ(weft::select(-1s, on_receive(c)), std::nullopt);
  auto sender = weft::spawn([&] { c.send(1); });
  weft::yield();
  EXPECT_EQ(weft::try_select(on_receive(c)), 0u);
  sender.get();
}

TEST(select, a_closed_channel_can_always_happen) {
  weft::channel<int> c;
  weft::channel<int> d;
  weft::channel<int> open;
  auto waiting = weft::spawn([&] {
    std::optional<int> got = 1;
    EXPECT_EQ(weft::select(on_receive(open), on_receive(c, [&](auto item) { got = item; })), 1u);
    EXPECT_EQ(got, std::nullopt);
  });
  auto sending =
      weft::spawn([&] { weft::select(on_receive(open), on_send(d, 1, [] { ADD_FAILURE(); })); });
  weft::yield();
  c.close();
  d.close();
  waiting.get();
  EXPECT_THROW(sending.get(), weft::channel_closed);
  EXPECT_EQ(weft::try_select(on_receive(c)), 0u);
  EXPECT_THROW(weft::try_select(on_send(c, 1)), weft::channel_closed);
}

TEST(select, an_item_that_was_not_sent_stays_in_its_case) {
  weft::channel<std::unique_ptr<int>> full;
  weft::channel<int> ready(1);
  ready.send(1);
  auto to_send = on_send(full, std::make_unique<int>(5));
  EXPECT_EQ(weft::select(to_send, on_receive(ready)), 1u);
  ASSERT_TRUE(to_send.item());
  auto receiver = weft::spawn([&] { return full.receive(); });
  EXPECT_EQ(weft::select(to_send, on_receive(ready)), 0u);
  EXPECT_EQ(**receiver.get(), 5);
  EXPECT_FALSE(to_send.item());
  EXPECT_THROW(weft::select(to_send), std::logic_error);
  to_send.item() = std::make_unique<int>(6);
  EXPECT_EQ(weft::try_select(to_send), std::nullopt);
}

TEST(select, picks_at_random_among_those_that_can) {
  std::vector<int> counts(4);
  weft::channel<int> a(1);
  weft::channel<int> b(1);
  weft::channel<int> c(1);
  weft::channel<int> never;
  for (int i = 0; i < 3000; ++i) {
    a.try_send(1);
    b.try_send(1);
    c.try_receive();
    ++counts[weft::select(on_receive(a), on_receive(b), on_send(c, 1), on_receive(never))];
  }
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(counts[i], 1000, 250) << i;
  EXPECT_EQ(counts[3], 0);
}

TEST(select, when) {
  weft::channel<int> c(1);
  c.send(1);
  EXPECT_EQ(weft::try_select(on_receive(c).when(false)), std::nullopt);
  EXPECT_EQ(weft::select(on_receive(c).when(false), on_receive(c).when(true)), 1u);
  EXPECT_EQ(weft::select(1ms, on_receive(c).when(false)), std::nullopt);
}

TEST(select, a_range_of_cases) {
  std::list<weft::channel<int>> channels(10);
  std::vector<std::optional<int>> got(10);
  std::vector<decltype(on_receive(channels.front(), std::function<void(std::optional<int>)>()))>
      cases;
  for (auto& c : channels)
    cases.push_back(
        on_receive(c, std::function<void(std::optional<int>)>(
                          [&got, i = cases.size()](std::optional<int> n) { got[i] = n; })));
  EXPECT_EQ(weft::try_select(cases), std::nullopt);
  EXPECT_EQ(weft::select(1ms, cases), std::nullopt);
  auto chosen = weft::spawn([&] { return weft::select(cases); });
  weft::yield();
  std::next(channels.begin(), 7)->send(70);
  EXPECT_EQ(chosen.get(), 7u);
  EXPECT_EQ(got[7], 70);
  cases.clear();
  EXPECT_THROW(weft::select(cases), std::invalid_argument);
}

TEST(select, is_left_by_cancellation_and_time_out_without_a_trace) {
  weft::channel<int> a;
  weft::channel<int> b(1);
  b.send(0);
  auto t = weft::spawn([&] { weft::select(on_receive(a), on_send(b, 1)); });
  weft::yield();
  t.kill();
  EXPECT_TRUE(t.was_cancelled());
  EXPECT_FALSE(a.try_send(1));
  EXPECT_EQ(b.receive(), 0);
  EXPECT_EQ(b.try_receive(), std::nullopt);
  auto timed = weft::spawn([&] { return weft::select(2ms, on_receive(a), on_send(a, 1)); });
  EXPECT_EQ(timed.get(), std::nullopt);
  EXPECT_FALSE(a.try_send(1));
  EXPECT_EQ(a.try_receive(), std::nullopt);
}

TEST(select, two_selects_meet) {
  weft::channel<int> a;
  weft::channel<int> b;
  int got = 0;
  auto one = weft::spawn(
      [&] { return weft::select(on_receive(a, [&](auto n) { got = *n; }), on_receive(b)); });
  auto two = weft::spawn([&] { return weft::select(on_send(a, 5), on_receive(b)); });
  EXPECT_EQ(one.get(), 0u);
  EXPECT_EQ(two.get(), 0u);
  EXPECT_EQ(got, 5);
}

TEST(select, in_a_callback) {
  weft::channel<int> c(1);
  in_callback([&] {
    EXPECT_EQ(weft::try_select(on_receive(c)), std::nullopt);
    EXPECT_THROW(weft::select(on_receive(c)), std::logic_error);
    EXPECT_EQ(weft::select(on_send(c, 1)), 0u);
  });
  EXPECT_EQ(c.receive(), 1);
}

TEST(select, what_moving_throws_is_thrown_where_the_item_was) {
  weft::channel<brittle> c(1);
  c.send(brittle(1));
  auto t = weft::spawn([&] {
    auto to_send = on_send(c, brittle(2, 2)); // into the function, and into the case
    weft::select(to_send);
  });
  weft::yield();
  EXPECT_EQ(c.receive()->value, 1);
  EXPECT_THROW(t.get(), broken);
  EXPECT_EQ(c.size(), 0u);
}

TEST(select, waiting_for_ever_is_a_deadlock) {
  weft::channel<int> c;
  EXPECT_THROW(weft::select(on_receive(c), on_send(c, 1)), weft::deadlock_error);
  EXPECT_THROW(weft::select(on_receive(c).when(false)), weft::deadlock_error);
  EXPECT_FALSE(c.try_send(1));
}

// From anywhere ----------------------------------------------------------

class selects : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(from, selects, all_places, name_of);

TEST_P(selects, lose_and_double_nothing) {
  for (const std::size_t capacity : {0, 2}) {
    constexpr int each = 300;
    constexpr int senders = 3;
    weft::channel<int> a(capacity);
    weft::channel<int> b(capacity);
    weft::channel<int> c;
    std::mutex mutex;
    std::vector<int> got;
    std::atomic<int> sending{senders};
    run_at(GetParam(), 2 * senders, [&](int party) {
      if (party < senders) {
        for (int i = 0; i < each; ++i) {
          const int item = party * each + i;
          if (i % 3 == 0)
            b.send(item);
          else if (party == 0) // in all orders of channels
            weft::select(on_send(b, item), on_send(a, item), on_send(c, item));
          else
            weft::select(on_send(c, item), on_send(a, item));
        }
        if (--sending == 0) {
          a.close();
          b.close();
          c.close();
        }
        return;
      }
      std::vector<int> mine;
      bool open[3] = {true, true, true};
      const auto take = [&](int from) {
        return [&mine, &open, from](std::optional<int> n) {
          if (n)
            mine.push_back(*n);
          else
            open[from] = false;
        };
      };
      while (open[0] || open[1] || open[2]) {
        if (party % 2 == 0)
          weft::select(on_receive(a, take(0)).when(open[0]), on_receive(b, take(1)).when(open[1]),
                       on_receive(c, take(2)).when(open[2]));
        else
          weft::select(std::chrono::microseconds(1 + mine.size() % 40),
                       on_receive(c, take(2)).when(open[2]), on_receive(b, take(1)).when(open[1]),
                       on_receive(a, take(0)).when(open[0]));
      }
      const std::lock_guard held(mutex);
      got.insert(got.end(), mine.begin(), mine.end());
    });
    std::ranges::sort(got);
    std::vector<int> all(senders * each);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(got, all);
  }
}

TEST_P(selects, both_sides_select_the_same_two_channels) {
  weft::channel<int> a;
  weft::channel<int> b;
  std::atomic<int> sent{0};
  std::atomic<int> received{0};
  run_at(GetParam(), 4, [&](int party) { // each sends and receives, on either
    for (int i = 0; i < 300; ++i) {
      const auto got = [&](std::optional<int> n) { received += *n; };
      const auto put = [&] { sent += 1; };
      if (party % 2 == 0)
        weft::select(500us, on_receive(a, got), on_send(b, 1, put), on_send(a, 1, put));
      else
        weft::select(500us, on_send(a, 1, put), on_receive(b, got), on_receive(a, got));
    }
  });
  EXPECT_EQ(sent, received);
  EXPECT_GT(sent, 100);
}

} // namespace
