// SPDX-License-Identifier: BSL-1.0
#include <mutex>
#include <stdexcept>

#include "tests/sync/places.hpp"

namespace weft::test {
namespace {

constinit semaphore static_semaphore(2);
constinit bounded_semaphore static_bounded(2);

TEST(semaphore, is_fair) {
  semaphore s(0);
  std::vector<int> order;
  std::vector<task<void>> all;
  for (int i = 0; i < 5; ++i)
    all.push_back(spawn([&, i] {
      for (int round = 0; round < 20; ++round) {
        s.acquire();
        order.push_back(i);
        s.release(); // and would like it back at once
      }
    }));
  yield();
  s.release();
  for (auto& t : all)
    t.get();
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(order[static_cast<std::size_t>(i)], i % 5);
}

TEST(semaphore, is_not_overtaken) {
  semaphore s(0);
  auto t = spawn([&] { s.acquire(); });
  yield();
  s.release();
  EXPECT_FALSE(s.try_acquire());
  EXPECT_EQ(s.available(), 0);
  t.get();
}

TEST(semaphore, lets_so_many_in) {
  semaphore s(3);
  int inside = 0, most = 0;
  std::vector<task<void>> all;
  for (int i = 0; i < 10; ++i)
    all.push_back(spawn([&] {
      const std::lock_guard permit(s);
      most = std::max(most, ++inside);
      sleep(1ms);
      --inside;
    }));
  for (auto& t : all)
    t.get();
  EXPECT_EQ(most, 3);
  EXPECT_EQ(s.available(), 3);
}

TEST(semaphore, releases_several_at_once_in_order) {
  semaphore s(0);
  std::string order;
  std::vector<task<void>> all;
  for (int i = 0; i < 5; ++i)
    all.push_back(spawn([&, i] {
      s.acquire();
      order += static_cast<char>('0' + i);
    }));
  yield();
  s.release(0);
  s.release(3);
  yield();
  EXPECT_EQ(order, "012");
  s.release(4);
  yield();
  EXPECT_EQ(order, "01234");
  EXPECT_EQ(s.available(), 2);
}

TEST(semaphore, a_cancelled_waiter_takes_no_permit_along) {
  semaphore s(0);
  auto first = spawn([&] { s.acquire(); });
  auto second = spawn([&] { s.acquire(); });
  yield();
  first.cancel();
  first.join();
  EXPECT_TRUE(first.was_cancelled());
  s.release();
  second.get();
  EXPECT_EQ(s.available(), 0);
}

TEST(semaphore, a_permit_that_comes_to_one_already_cancelled_is_taken_or_passed_on) {
  semaphore s(0);
  auto first = spawn([&] { const std::lock_guard permit(s); });
  auto second = spawn([&] { const std::lock_guard permit(s); });
  yield();
  first.cancel();
  s.release(); // before the first has run again
  first.join();
  second.get();
  EXPECT_EQ(s.available(), 1);
}

TEST(semaphore, a_permit_handed_over_before_the_cancellation_is_taken) {
  semaphore s(0);
  auto t = spawn([&] {
    s.acquire();
    try {
      sleep(ages);
    } catch (const cancelled&) {
      s.release();
      throw;
    }
  });
  yield();
  s.release();
  t.cancel();
  t.join();
  EXPECT_EQ(s.available(), 1);
}

TEST(semaphore, a_timed_out_waiter_takes_no_permit_along) {
  semaphore s(0);
  spawn([&] {
    const auto start = clock_type::now();
    EXPECT_FALSE(s.acquire(5ms));
    EXPECT_GE(clock_type::now() - start, 5ms);
    EXPECT_FALSE(s.try_acquire_for(-1s));
    EXPECT_FALSE(s.try_acquire_until(clock_type::now() - 1s));
  }).get();
  s.release();
  EXPECT_EQ(s.available(), 1);
  EXPECT_TRUE(s.acquire(0s));
}

TEST(semaphore, available_is_no_switch_point) {
  semaphore s(1);
  auto t = spawn([&] {
    current().cancel();
    s.acquire();
  });
  t.join();
  EXPECT_FALSE(t.was_cancelled());
  EXPECT_EQ(s.available(), 0);
}

TEST(semaphore, used_against_the_rules) {
  EXPECT_THROW(semaphore(-1), std::invalid_argument);
  semaphore s(1);
  EXPECT_THROW(s.release(-1), std::invalid_argument);
  EXPECT_THROW(s.release(semaphore::max()), std::length_error);
  EXPECT_EQ(s.available(), 1);
  s.release(semaphore::max() - 1);
  EXPECT_EQ(s.available(), semaphore::max());
}

TEST(bounded_semaphore, over_release_throws) {
  bounded_semaphore s(2);
  EXPECT_THROW(s.release(), std::logic_error);
  s.acquire();
  EXPECT_THROW(s.release(2), std::logic_error);
  EXPECT_EQ(s.available(), 1);
  s.release();
  EXPECT_EQ(s.available(), 2);
  s.acquire();
  s.acquire();
  auto t = spawn([&] { s.acquire(); });
  yield();
  EXPECT_THROW(s.release(3), std::logic_error);
  s.release();
  t.get();
  s.release(2);
  EXPECT_EQ(s.available(), 2);
  EXPECT_THROW(bounded_semaphore(-1), std::invalid_argument);
  bounded_semaphore none(0);
  auto u = spawn([&] { EXPECT_FALSE(none.acquire(5ms)); });
  yield();
  EXPECT_THROW(none.release(), std::logic_error);
  u.get();
}

TEST(semaphore, inside_callbacks) {
  semaphore s(0);
  auto t = spawn([&] { s.acquire(); });
  yield();
  in_callback([&] {
    EXPECT_FALSE(s.try_acquire());
    EXPECT_THROW(s.acquire(), std::logic_error);
    s.release(2);
    EXPECT_TRUE(s.try_acquire());
  });
  t.get();
  EXPECT_EQ(s.available(), 0);
}

class semaphore_at : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(places, semaphore_at, all_places, name_of);

TEST_P(semaphore_at, neither_loses_nor_makes_permits) {
  semaphore s(3);
  std::atomic<int> inside{0};
  run_at(GetParam(), 8, [&](int party) {
    for (int i = 0; i < 500; ++i) {
      if (party % 2 == 0)
        s.acquire();
      else if (!s.acquire(std::chrono::microseconds(i % 30)))
        continue;
      EXPECT_LE(++inside, 3);
      if (i % 20 == 0) yield();
      --inside;
      s.release();
    }
  });
  EXPECT_EQ(s.available(), 3);
}

TEST_P(semaphore_at, in_static_storage) {
  run_at(GetParam(), 4, [&](int) {
    for (int i = 0; i < 100; ++i) {
      const std::lock_guard permit(static_semaphore);
      const std::lock_guard another(static_bounded);
    }
  });
  EXPECT_EQ(static_semaphore.available(), 2);
  EXPECT_EQ(static_bounded.available(), 2);
}

} // namespace
} // namespace weft::test
