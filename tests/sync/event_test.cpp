// SPDX-License-Identifier: BSL-1.0
#include "tests/sync/places.hpp"

namespace weft::test {
namespace {

constinit event static_event;

TEST(event, set_then_clear_still_wakes_all_1000_who_waited) {
  event e;
  std::vector<int> order;
  std::vector<task<void>> all;
  for (int i = 0; i < 1000; ++i)
    all.push_back(spawn([&, i] {
      e.wait();
      order.push_back(i);
    }));
  yield();
  e.set();
  e.clear();
  for (auto& t : all)
    t.get();
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  EXPECT_FALSE(e.is_set());
  EXPECT_FALSE(e.wait(0s));
}

TEST(event, once_set_nobody_waits) {
  event e;
  e.set();
  e.set();
  EXPECT_TRUE(e.is_set());
  auto t = spawn([&] {
    current().cancel();
    e.wait(); // no switch point
    EXPECT_TRUE(e.wait(0s));
  });
  t.join();
  EXPECT_FALSE(t.was_cancelled());
}

TEST(event, may_be_destroyed_by_who_was_woken_while_set_returns) {
  for (int i = 0; i < 2000; ++i) {
    auto e = std::make_unique<event>();
    std::thread setter([&raw = *e] { raw.set(); });
    e->wait(); // by now it is set, or it is not
    e.reset();
    setter.join();
  }
}

TEST(event, a_waiter_that_is_cancelled_or_times_out_leaves) {
  event e;
  auto killed = spawn([&] { e.wait(); });
  auto impatient = spawn([&] {
    const auto start = clock_type::now();
    EXPECT_FALSE(e.wait(5ms));
    EXPECT_GE(clock_type::now() - start, 5ms);
  });
  auto patient = spawn([&] { EXPECT_TRUE(e.wait(ages)); });
  yield();
  killed.cancel();
  killed.join();
  EXPECT_TRUE(killed.was_cancelled());
  impatient.get();
  e.set();
  patient.get();
}

TEST(event, woken_before_the_cancellation_it_was_woken) {
  event e;
  bool woken = false;
  auto t = spawn([&] {
    e.wait();
    woken = true;
  });
  yield();
  e.set();
  t.cancel();
  t.join();
  EXPECT_TRUE(woken);
}

TEST(event, inside_callbacks) {
  event e;
  in_callback([&] {
    EXPECT_THROW(e.wait(), std::logic_error);
    EXPECT_THROW((void)e.wait(1s), std::logic_error);
    e.set();
    e.wait();
    e.clear();
    EXPECT_FALSE(e.is_set());
  });
}

class event_at : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(places, event_at, all_places, name_of);

TEST_P(event_at, wakes_everybody_and_shows_what_was_written) {
  for (int round = 0; round < 50; ++round) {
    event e;
    int written = 0;
    run_at(GetParam(), 6, [&](int party) {
      if (party == 5) {
        written = round;
        e.set();
      } else {
        e.wait();
        EXPECT_EQ(written, round);
      }
    });
  }
}

TEST_P(event_at, in_static_storage) {
  static_event.clear();
  run_at(GetParam(), 4, [&](int party) {
    if (party == 3)
      static_event.set();
    else
      EXPECT_TRUE(static_event.wait(ages));
  });
}

TEST_P(event_at, time_outs_and_sets_cross) {
  event e;
  std::atomic<int> running{5};
  run_at(GetParam(), 6, [&](int party) {
    if (party == 5) {
      while (running != 0) {
        e.set();
        yield();
        e.clear();
        sleep(20us);
      }
      return;
    }
    for (int i = 0; i < 300; ++i)
      (void)e.wait(std::chrono::microseconds(i % 50));
    --running;
  });
}

} // namespace
} // namespace weft::test
