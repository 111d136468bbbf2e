// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <stdexcept>

#include "tests/sync/places.hpp"

namespace weft::test {
namespace {

constinit latch static_latch(latch::max());

TEST(latch, opens_when_all_have_counted_down) {
  latch l(3);
  std::string order;
  std::vector<task<void>> all;
  for (int i = 0; i < 3; ++i)
    all.push_back(spawn([&, i] {
      l.wait();
      order += static_cast<char>('0' + i);
    }));
  yield();
  EXPECT_FALSE(l.try_wait());
  l.count_down();
  l.count_down(0);
  yield();
  EXPECT_EQ(order, "");
  l.count_down(2);
  EXPECT_TRUE(l.try_wait());
  for (auto& t : all)
    t.get();
  EXPECT_EQ(order, "012");
  l.wait();
  EXPECT_TRUE(l.wait(0s));
}

TEST(latch, arrive_and_wait) {
  latch l(3);
  int through = 0;
  std::vector<task<void>> all;
  for (int i = 0; i < 2; ++i)
    all.push_back(spawn([&] {
      l.arrive_and_wait();
      ++through;
    }));
  yield();
  EXPECT_EQ(through, 0);
  l.arrive_and_wait();
  for (auto& t : all)
    t.get();
  EXPECT_EQ(through, 2);
}

TEST(latch, cancelled_while_it_waits_it_has_counted_down_all_the_same) {
  latch l(2);
  auto t = spawn([&] { l.arrive_and_wait(); });
  yield();
  t.cancel();
  t.join();
  EXPECT_TRUE(t.was_cancelled());
  l.arrive_and_wait();
}

TEST(latch, a_waiter_that_times_out_leaves) {
  latch l(1);
  spawn([&] {
    const auto start = clock_type::now();
    EXPECT_FALSE(l.wait(5ms));
    EXPECT_GE(clock_type::now() - start, 5ms);
  }).get();
  l.count_down();
  EXPECT_TRUE(l.wait(5ms));
}

TEST(latch, may_be_destroyed_by_who_was_woken_while_count_down_returns) {
  for (int i = 0; i < 1000; ++i) {
    auto l = std::make_unique<latch>(1);
    std::thread other([&raw = *l] { raw.count_down(); });
    l->wait();
    l.reset();
    other.join();
  }
}

TEST(latch, used_against_the_rules) {
  EXPECT_THROW(latch(-1), std::invalid_argument);
  latch l(1);
  EXPECT_THROW(l.count_down(-1), std::invalid_argument);
  EXPECT_THROW(l.count_down(2), std::logic_error);
  EXPECT_FALSE(l.try_wait());
  l.count_down();
  EXPECT_THROW(l.count_down(), std::logic_error);
  EXPECT_TRUE(latch(0).try_wait());
}

TEST(latch, inside_callbacks) {
  latch l(1);
  in_callback([&] {
    EXPECT_THROW(l.wait(), std::logic_error);
    l.count_down();
    l.wait();
  });
}

class latch_at : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(places, latch_at, all_places, name_of);

TEST_P(latch_at, shows_what_was_written_before) {
  for (int round = 0; round < 50; ++round) {
    latch l(4);
    int written[4] = {};
    run_at(GetParam(), 4, [&](int party) {
      written[party] = round;
      l.arrive_and_wait();
      for (const int w : written)
        EXPECT_EQ(w, round);
    });
  }
}

TEST_P(latch_at, in_static_storage) {
  run_at(GetParam(), 4, [&](int) {
    static_latch.count_down();
    EXPECT_FALSE(static_latch.wait(1ms));
  });
}

} // namespace
} // namespace weft::test
