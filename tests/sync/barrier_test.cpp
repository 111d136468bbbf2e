// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <stdexcept>

#include "tests/sync/places.hpp"

namespace weft::test {
namespace {

constinit barrier static_barrier(4);

TEST(barrier, nobody_goes_on_before_all_have_arrived) {
  barrier b(3);
  std::string steps;
  std::vector<task<void>> all;
  for (int i = 0; i < 3; ++i)
    all.push_back(spawn([&] {
      for (int step = 0; step < 4; ++step) {
        steps += static_cast<char>('0' + step);
        b.arrive_and_wait();
      }
    }));
  for (auto& t : all)
    t.get();
  EXPECT_EQ(steps, "000111222333");
}

TEST(barrier, the_completion_function_runs_before_anybody_goes_on) {
  int phases = 0;
  barrier b(3, [&]() noexcept {
    sleep(1ms); // it may block
    ++phases;
  });
  std::vector<task<void>> all;
  for (int i = 0; i < 3; ++i)
    all.push_back(spawn([&] {
      for (int step = 0; step < 4; ++step) {
        b.arrive_and_wait();
        EXPECT_EQ(phases, step + 1);
      }
    }));
  for (auto& t : all)
    t.get();
  EXPECT_EQ(phases, 4);
}

TEST(barrier, arriving_and_waiting_apart) {
  barrier b(2);
  auto token = b.arrive();
  EXPECT_FALSE(b.wait(token, 1ms)); // and has arrived all the same
  EXPECT_FALSE(b.wait(token, 0s));
  auto other = b.arrive();
  EXPECT_TRUE(b.wait(token, 0s));
  b.wait(std::move(other));
  b.wait(b.arrive(2));
}

TEST(barrier, who_drops_out_is_not_waited_for_any_more) {
  barrier b(3);
  int rounds = 0;
  std::vector<task<void>> all;
  for (int i = 0; i < 2; ++i)
    all.push_back(spawn([&] {
      for (int round = 0; round < 3; ++round) {
        b.arrive_and_wait();
        ++rounds;
      }
    }));
  yield();
  EXPECT_EQ(rounds, 0);
  b.arrive_and_drop();
  for (auto& t : all)
    t.get();
  EXPECT_EQ(rounds, 6);
}

TEST(barrier, who_is_cancelled_has_not_arrived) {
  barrier b(2);
  auto cancelled_one = spawn([&] { b.arrive_and_wait(); });
  yield();
  cancelled_one.cancel();
  cancelled_one.join();
  EXPECT_TRUE(cancelled_one.was_cancelled());
  bool through = false;
  auto other = spawn([&] {
    b.arrive_and_wait();
    through = true;
  });
  yield();
  EXPECT_FALSE(through);
  b.arrive_and_wait(); // in the other's stead
  other.get();
  EXPECT_TRUE(through);
}

TEST(barrier, who_times_out_has_not_arrived) {
  barrier b(2);
  spawn([&] {
    const auto start = clock_type::now();
    EXPECT_FALSE(b.arrive_and_wait(5ms));
    EXPECT_GE(clock_type::now() - start, 5ms);
    EXPECT_FALSE(b.arrive_and_wait(0s));
  }).get();
  auto t = spawn([&] { EXPECT_TRUE(b.arrive_and_wait(ages)); });
  yield();
  EXPECT_FALSE(t.done());
  EXPECT_TRUE(b.arrive_and_wait(0s)); // the last does not wait
  t.get();
}

TEST(barrier, cancelled_while_the_completion_function_runs_it_has_arrived) {
  barrier b(2, []() noexcept { sleep(5ms); });
  bool through = false;
  auto t = spawn([&] {
    b.arrive_and_wait();
    through = true;
  });
  yield();
  auto last = spawn([&] { b.arrive_and_wait(); });
  yield();
  t.cancel();
  t.join();
  last.get();
  EXPECT_TRUE(through);
  EXPECT_TRUE(b.wait(b.arrive(2), 0s)); // two are expected again
}

TEST(barrier, used_against_the_rules) {
  EXPECT_THROW(barrier(0), std::invalid_argument);
  EXPECT_THROW(barrier(-1), std::invalid_argument);
  barrier b(2);
  EXPECT_THROW((void)b.arrive(0), std::invalid_argument);
  EXPECT_THROW((void)b.arrive(3), std::logic_error);
  barrier slow(1, []() noexcept { sleep(5ms); });
  auto t = spawn([&] { slow.arrive_and_wait(); });
  yield();
  EXPECT_THROW((void)slow.arrive(), std::logic_error); // in the middle of a completion
  t.get();
  b.arrive_and_drop();
  b.arrive_and_drop();
  EXPECT_THROW(b.arrive_and_wait(), std::logic_error); // nobody is expected
}

TEST(barrier, inside_callbacks) {
  barrier b(2);
  bool through = false;
  auto t = spawn([&] {
    b.arrive_and_wait();
    through = true;
  });
  yield();
  in_callback([&] {
    (void)b.arrive();
    EXPECT_THROW(b.arrive_and_wait(), std::logic_error);
    b.wait(b.arrive(2));
  });
  t.get();
  EXPECT_TRUE(through);
}

TEST(barrier, may_be_destroyed_by_the_first_who_goes_on) {
  for (int i = 0; i < 100; ++i) {
    auto b = std::make_unique<barrier<>>(2);
    std::atomic<int> through{0};
    const auto party = [&] {
      b->arrive_and_wait();
      if (++through == 2) b.reset();
    };
    std::thread other(party);
    party();
    other.join();
  }
}

class barrier_at : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(places, barrier_at, all_places, name_of);

TEST_P(barrier_at, keeps_step) {
  int step = 0;
  barrier b(4, [&]() noexcept { ++step; });
  run_at(GetParam(), 4, [&](int party) {
    for (int i = 0; i < 200; ++i) {
      EXPECT_EQ(step, i);
      if (party == 0) {
        // Gives up now and then, and comes again.
        while (!b.arrive_and_wait(std::chrono::microseconds(1 + i % 50))) {
        }
      } else {
        b.arrive_and_wait();
      }
    }
  });
  EXPECT_EQ(step, 200);
}

TEST_P(barrier_at, in_static_storage) {
  run_at(GetParam(), 4, [&](int) {
    for (int i = 0; i < 20; ++i)
      static_barrier.arrive_and_wait();
  });
}

} // namespace
} // namespace weft::test
