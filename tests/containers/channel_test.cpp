// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/containers/items.hpp"
#include "tests/sync/places.hpp"

using namespace weft::test;

namespace {

TEST(channel, a_rendezvous_waits_for_the_receiver) {
  weft::channel<int> c;
  EXPECT_EQ(c.capacity(), 0u);
  EXPECT_FALSE(c.try_send(1));
  EXPECT_EQ(c.try_receive(), std::nullopt);
  bool sent = false;
  auto sender = weft::spawn([&] {
    c.send(1);
    sent = true;
  });
  weft::yield();
  weft::yield();
  EXPECT_FALSE(sent);
  EXPECT_EQ(c.receive(), 1);
  sender.get();
  auto receiver = weft::spawn([&] { return c.receive(); });
  weft::yield();
  EXPECT_TRUE(c.try_send(2));
  EXPECT_EQ(receiver.get(), 2);
  EXPECT_EQ(c.size(), 0u);
}

TEST(channel, a_buffer_lets_so_many_wait) {
  weft::channel<int> c(2);
  EXPECT_EQ(c.capacity(), 2u);
  EXPECT_TRUE(c.try_send(1));
  EXPECT_TRUE(c.try_send(2));
  EXPECT_FALSE(c.try_send(3));
  EXPECT_EQ(c.size(), 2u);
  for (int i = 1; i < 20; ++i) { // round its end
    EXPECT_EQ(c.receive(), i);
    c.send(i + 2);
  }
}

TEST(channel, is_fair) {
  for (const std::size_t capacity : {0, 2}) {
    weft::channel<int> c(capacity);
    std::vector<weft::task<void>> senders;
    for (int i = 0; i < 5; ++i)
      senders.push_back(weft::spawn([&, i] { c.send(i); }));
    weft::yield();
    EXPECT_FALSE(c.try_send(99));
    for (int i = 0; i < 5; ++i)
      EXPECT_EQ(c.receive(), i);
    weft::joinall(senders);

    std::vector<int> got(5, -1);
    std::vector<weft::task<void>> receivers;
    for (int i = 0; i < 5; ++i)
      receivers.push_back(weft::spawn([&, i] { got[static_cast<std::size_t>(i)] = *c.receive(); }));
    weft::yield();
    for (int i = 0; i < 5; ++i)
      EXPECT_TRUE(c.try_send(i));
    EXPECT_EQ(c.try_receive(), std::nullopt); // handed over: nobody overtakes
    weft::joinall(receivers);
    EXPECT_EQ(got, (std::vector{0, 1, 2, 3, 4}));
  }
}

TEST(channel, close_and_drain) {
  weft::channel<int> c(2);
  c.send(1);
  c.send(2);
  auto sender = weft::spawn([&] { c.send(3); });
  weft::yield();
  c.close();
  EXPECT_TRUE(c.closed());
  EXPECT_FALSE(c.exhausted());
  EXPECT_THROW(sender.get(), weft::channel_closed);
  EXPECT_THROW(c.send(4), weft::channel_closed);
  EXPECT_THROW(c.send(4, 1ms), weft::channel_closed);
  EXPECT_THROW(c.try_send(4), weft::channel_closed);
  EXPECT_EQ(c.receive(), 1);
  EXPECT_EQ(c.receive(1ms), 2);
  EXPECT_TRUE(c.exhausted());
  EXPECT_EQ(c.receive(), std::nullopt);
  EXPECT_EQ(c.receive(1h), std::nullopt);
  EXPECT_EQ(c.try_receive(), std::nullopt);
  c.close();
}

TEST(channel, close_wakes_receivers_and_senders) {
  weft::channel<std::unique_ptr<int>> c;
  auto receiver = weft::spawn([&] { return c.receive(); });
  auto timed = weft::spawn([&] { return c.receive(1h); });
  weft::yield();
  c.close();
  EXPECT_EQ(receiver.get(), std::nullopt);
  EXPECT_EQ(timed.get(), std::nullopt);

  weft::channel<std::unique_ptr<int>> d;
  auto item = std::make_unique<int>(5);
  auto sender = weft::spawn([&] { d.send(std::move(item)); });
  weft::yield();
  d.close();
  EXPECT_THROW(sender.get(), weft::channel_closed);
  ASSERT_TRUE(item) << "an item that was not sent was consumed";
}

TEST(channel, time_outs) {
  weft::channel<std::unique_ptr<int>> c;
  auto item = std::make_unique<int>(1);
  const auto start = clock_type::now();
  EXPECT_FALSE(c.send(std::move(item), 5ms));
  EXPECT_GE(clock_type::now() - start, 5ms);
  ASSERT_TRUE(item);
  EXPECT_FALSE(c.send(std::move(item), -1s));
  EXPECT_EQ(c.receive(5ms), std::nullopt);
  auto receiver = weft::spawn([&] { return c.receive(1h); });
  weft::yield();
  EXPECT_TRUE(c.send(std::move(item), 5ms));
  EXPECT_EQ(**receiver.get(), 1);
}

TEST(channel, loses_no_item_to_one_who_is_cancelled_or_times_out) {
  weft::channel<int> c;
  auto cancelled = weft::spawn([&] { c.receive(); });
  auto late = weft::spawn([&] { return c.receive(2ms); });
  auto last = weft::spawn([&] { return c.receive(); });
  weft::yield();
  cancelled.kill();
  EXPECT_EQ(late.get(), std::nullopt);
  c.send(7);
  EXPECT_EQ(last.get(), 7);

  auto sender = weft::spawn([&] { c.send(1); });
  auto late_sender = weft::spawn([&] { return c.send(2, 2ms); });
  auto last_sender = weft::spawn([&] { c.send(3); });
  weft::yield();
  sender.kill();
  EXPECT_FALSE(late_sender.get());
  EXPECT_EQ(c.receive(), 3);
  last_sender.get();
}

TEST(channel, one_who_is_cancelled_as_the_item_changes_hands_has_it) {
  weft::channel<int> c;
  auto receiver = weft::spawn([&] { return c.receive(); });
  weft::yield();
  receiver.cancel();
  EXPECT_TRUE(c.try_send(1));
  EXPECT_EQ(receiver.get(), 1);
  bool sent = false;
  auto sender = weft::spawn([&] {
    c.send(2);
    sent = true;
    weft::yield();
  });
  weft::yield();
  EXPECT_EQ(c.try_receive(), 2);
  sender.cancel();
  EXPECT_THROW(sender.get(), weft::task_cancelled); // at the next switch point
  EXPECT_TRUE(sent);
}

TEST(channel, iterates_until_it_is_closed) {
  weft::channel<std::unique_ptr<int>> c;
  auto sum = weft::spawn([&] {
    int n = 0;
    for (auto& item : c)
      n += *std::unique_ptr<int>(std::move(item));
    return n;
  });
  for (int i = 1; i <= 4; ++i)
    c.send(std::make_unique<int>(i));
  c.close();
  EXPECT_EQ(sum.get(), 10);
  static_assert(std::ranges::input_range<weft::channel<int>>);
}

TEST(channel, drops_what_nobody_received) {
  auto shared = std::make_shared<int>(1);
  {
    weft::channel<std::shared_ptr<int>> c(3);
    c.send(shared);
    c.send(shared);
    c.receive();
    c.send(shared);
    c.send(shared);
    EXPECT_EQ(shared.use_count(), 4);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(channel, in_a_callback) {
  weft::channel<int> c(1);
  in_callback([&] {
    EXPECT_EQ(c.try_receive(), std::nullopt);
    EXPECT_THROW(c.receive(), std::logic_error);
    c.send(1);
    EXPECT_THROW(c.send(2), std::logic_error);
    EXPECT_FALSE(c.try_send(2));
    EXPECT_EQ(c.receive(), 1);
    c.send(3);
    c.close();
  });
  EXPECT_EQ(c.receive(), 3);
}

TEST(channel, refuses_a_buffer_that_no_memory_has_room_for) {
  EXPECT_THROW(weft::channel<int>(SIZE_MAX), std::length_error);
}

TEST(channel, what_moving_throws_leaves_it_as_it_was) {
  weft::channel<brittle> c(1);
  brittle bad(1, 0);
  EXPECT_THROW(c.send(std::move(bad)), broken);
  EXPECT_EQ(c.size(), 0u);
  c.send(brittle(2));
  auto broken_one = weft::spawn([&] { c.send(std::move(bad)); });
  auto good_one = weft::spawn([&] { c.send(brittle(3)); });
  weft::yield();
  EXPECT_EQ(c.receive()->value, 2); // lets the next ones in: what that throws is theirs
  EXPECT_THROW(broken_one.get(), broken);
  good_one.get();
  EXPECT_EQ(c.receive()->value, 3);

  auto receiver = weft::spawn([&] { return c.receive()->value; });
  weft::yield();
  EXPECT_THROW(c.send(std::move(bad)), broken);
  c.send(brittle(4));
  EXPECT_EQ(receiver.get(), 4);
}

TEST(channel, waiting_for_ever_is_a_deadlock) {
  weft::channel<int> c;
  try {
    c.send(1);
    FAIL();
  } catch (const weft::deadlock_error& e) {
    EXPECT_NE(std::string(e.what()).find("channel::send"), std::string::npos) << e.what();
  }
  EXPECT_EQ(c.try_receive(), std::nullopt); // it has left
}

// From anywhere ----------------------------------------------------------

class channels : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(from, channels, all_places, name_of);

TEST_P(channels, hand_over_every_item_once) {
  for (const std::size_t capacity : {0, 1, 5}) {
    constexpr int each = 500;
    constexpr int senders = 3;
    weft::channel<std::unique_ptr<int>> c(capacity);
    std::mutex mutex;
    std::vector<int> got;
    std::atomic<int> sending{senders};
    run_at(GetParam(), 2 * senders, [&](int party) {
      if (party < senders) {
        for (int i = 0; i < each; ++i)
          c.send(std::make_unique<int>(party * each + i));
        if (--sending == 0) c.close();
        return;
      }
      std::vector<int> mine;
      for (const auto& item : c)
        mine.push_back(*item);
      const std::lock_guard held(mutex);
      got.insert(got.end(), mine.begin(), mine.end());
    });
    std::ranges::sort(got);
    std::vector<int> all(senders * each);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(got, all);
  }
}

TEST_P(channels, keep_the_order_of_each_sender) {
  for (const std::size_t capacity : {0, 3}) {
    weft::channel<int> c(capacity);
    run_at(GetParam(), 2, [&](int party) {
      if (party == 1) {
        for (int i = 0; i < 1000; ++i)
          c.send(i);
        c.close();
        return;
      }
      int expected = 0;
      for (const int item : c)
        ASSERT_EQ(item, expected++);
      EXPECT_EQ(expected, 1000);
    });
  }
}

TEST_P(channels, ping_pong) {
  weft::channel<int> ping;
  weft::channel<int> pong;
  run_at(GetParam(), 2, [&](int party) {
    for (int i = 0; i < 1000; ++i) {
      if (party == 0) {
        ping.send(i);
        ASSERT_EQ(pong.receive(), i);
      } else {
        ASSERT_EQ(ping.receive(), i);
        pong.send(i);
      }
    }
  });
}

TEST_P(channels, time_out_on_both_sides) {
  for (const std::size_t capacity : {0, 2}) {
    weft::channel<int> c(capacity);
    std::atomic<int> sent{0};
    std::atomic<int> received{0};
    run_at(GetParam(), 6, [&](int party) {
      for (int i = 0; i < 200; ++i) {
        const auto limit = std::chrono::microseconds((i * 7 + party) % 50);
        if (party % 3 == 0)
          sent += c.send(i, limit);
        else
          received += c.receive(limit).has_value();
      }
    });
    EXPECT_EQ(static_cast<std::size_t>(sent - received), c.size());
  }
}

TEST_P(channels, whoever_received_the_last_item_may_destroy_it) {
  for (int round = 0; round < 100; ++round) {
    auto c = std::make_unique<weft::channel<int>>();
    run_at(GetParam(), 2, [&](int party) {
      if (party == 0)
        c->send(1);
      else if (c->receive() == 1)
        c.reset();
    });
  }
}

} // namespace
