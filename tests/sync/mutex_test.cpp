// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <mutex>

#include "tests/sync/errors.hpp"
#include "tests/sync/places.hpp"

namespace weft::test {
namespace {

static_assert(sizeof(mutex) == 48);
constinit mutex static_mutex;

TEST(mutex, excludes_others_across_switches) {
  mutex m;
  int inside = 0;
  std::vector<task<void>> all;
  for (int i = 0; i < 10; ++i)
    all.push_back(spawn([&] {
      const std::lock_guard held(m);
      EXPECT_EQ(++inside, 1);
      yield();
      --inside;
    }));
  for (auto& t : all)
    t.get();
}

TEST(mutex, is_handed_over_in_the_order_of_arrival) {
  mutex m;
  std::vector<int> order;
  std::vector<task<void>> all;
  m.lock();
  for (int i = 0; i < 10; ++i)
    all.push_back(spawn([&, i] {
      for (int round = 0; round < 3; ++round) {
        const std::lock_guard held(m);
        order.push_back(i);
      }
    }));
  yield();
  m.unlock();
  for (auto& t : all)
    t.get();
  ASSERT_EQ(order.size(), 30u);
  for (int i = 0; i < 30; ++i)
    EXPECT_EQ(order[static_cast<std::size_t>(i)], i % 10);
}

TEST(mutex, is_not_overtaken_by_who_unlocks) {
  mutex m;
  m.lock();
  std::string order;
  auto waiter = spawn([&] {
    const std::lock_guard held(m);
    order += 'w';
  });
  yield();
  m.unlock();
  EXPECT_FALSE(m.try_lock()); // it is the waiter's already
  m.lock();
  order += 'm';
  m.unlock();
  waiter.get();
  EXPECT_EQ(order, "wm");
}

TEST(mutex, a_cancelled_waiter_leaves_it_to_the_next) {
  mutex m;
  m.lock();
  bool got = false;
  auto first = spawn([&] { const std::lock_guard held(m); });
  auto second = spawn([&] {
    const std::lock_guard held(m);
    got = true;
  });
  yield();
  first.cancel();
  first.join();
  EXPECT_TRUE(first.was_cancelled());
  m.unlock();
  second.get();
  EXPECT_TRUE(got);
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(mutex, handed_over_before_the_cancellation_it_is_held) {
  mutex m;
  m.lock();
  bool held = false, thrown = false;
  auto t = spawn([&] {
    m.lock();
    held = true;
    try {
      yield();
    } catch (const cancelled&) {
      thrown = true;
    }
    m.unlock();
  });
  yield();
  m.unlock();
  t.cancel();
  t.join();
  EXPECT_TRUE(held);
  EXPECT_TRUE(thrown);
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(mutex, a_timed_out_waiter_leaves_it_to_the_next) {
  mutex m;
  m.lock();
  auto impatient = spawn([&] {
    const auto start = clock_type::now();
    EXPECT_FALSE(m.try_lock_for(5ms));
    EXPECT_GE(clock_type::now() - start, 5ms);
    EXPECT_FALSE(m.lock(0s));
    EXPECT_FALSE(m.try_lock_until(clock_type::now() + 1ms));
    EXPECT_FALSE(m.try_lock_until(std::chrono::system_clock::now() + 1ms));
  });
  auto patient = spawn([&] {
    EXPECT_TRUE(m.lock(ages));
    m.unlock();
  });
  impatient.get();
  EXPECT_FALSE(patient.done());
  m.unlock();
  patient.get();
}

TEST(mutex, uncontended_is_no_switch_point) {
  mutex m;
  bool locked = false;
  auto t = spawn([&] {
    current().cancel();
    const std::lock_guard held(m);
    locked = true;
  });
  t.join();
  EXPECT_TRUE(locked);
  EXPECT_FALSE(t.was_cancelled());
}

TEST(mutex, throws_what_is_pending_where_it_has_to_wait) {
  mutex m;
  m.lock();
  auto t = spawn([&] {
    current().cancel();
    m.lock();
  });
  t.join();
  EXPECT_TRUE(t.was_cancelled());
  m.unlock();
}

TEST(mutex, works_with_the_locks_of_std) {
  mutex a, b;
  {
    std::scoped_lock both(a, b);
    EXPECT_FALSE(a.try_lock());
  }
  std::unique_lock held(a, std::defer_lock);
  EXPECT_TRUE(held.try_lock_for(1ms));
  held.unlock();
  EXPECT_TRUE(held.try_lock());
  std::unique_lock timed(b, 1ms);
  EXPECT_TRUE(timed.owns_lock());
}

TEST(mutex, used_against_the_rules) {
  mutex m;
  EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
  m.lock();
  EXPECT_EQ(error_of([&] { m.lock(); }), std::errc::resource_deadlock_would_occur);
  EXPECT_EQ(error_of([&] { (void)m.lock(1s); }), std::errc::resource_deadlock_would_occur);
  EXPECT_FALSE(m.try_lock());
  spawn([&] {
    EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
  }).get();
  std::thread([&] {
    EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
  }).join();
  m.unlock();
  EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
}

TEST(mutex, of_a_fiber_that_ended_with_it_is_nobodys) {
  mutex m;
  for (int i = 0; i < 3; ++i) { // the same block of memory serves the next fiber
    spawn([&] { EXPECT_EQ(m.try_lock(), i == 0); }).get();
    spawn([&] {
      EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
    }).get();
  }
}

TEST(mutex, stays_with_a_thread_that_gets_a_hub) {
  std::thread([] {
    mutex m;
    m.lock();
    auto t = spawn([&] { EXPECT_FALSE(m.try_lock()); });
    t.join();
    EXPECT_EQ(error_of([&] { m.lock(); }), std::errc::resource_deadlock_would_occur);
    EXPECT_EQ(error_of([&] { m.unlock(); }), std::nullopt);
  }).join();
}

TEST(mutex, inside_callbacks) {
  mutex m;
  in_callback([&] {
    EXPECT_TRUE(m.try_lock());
    EXPECT_FALSE(m.try_lock());
    m.unlock();
    const std::lock_guard held(m);
  });
  m.lock();
  in_callback([&] {
    EXPECT_FALSE(m.try_lock());
    EXPECT_THROW(m.lock(), std::logic_error);
    EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
  });
  m.unlock();
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(mutex, may_be_destroyed_by_who_unlocked_it_last) {
  for (int i = 0; i < 200; ++i) {
    auto m = std::make_unique<mutex>();
    bool gone = false;
    std::thread other([&] {
      m->lock();
      if (std::exchange(gone, true)) {
        m->unlock();
        m.reset();
      } else {
        m->unlock();
      }
    });
    m->lock();
    if (std::exchange(gone, true)) {
      m->unlock();
      m.reset();
    } else {
      m->unlock();
    }
    other.join();
  }
}

class mutex_at : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(places, mutex_at, all_places, name_of);

TEST_P(mutex_at, excludes_others) {
  mutex m;
  long count = 0;
  run_at(GetParam(), 8, [&](int) {
    for (int i = 0; i < 2000; ++i) {
      const std::lock_guard held(m);
      ++count;
      if (i % 50 == 0) yield();
    }
  });
  EXPECT_EQ(count, 16000);
}

TEST_P(mutex_at, in_static_storage) {
  long count = 0;
  run_at(GetParam(), 4, [&](int) {
    for (int i = 0; i < 100; ++i) {
      const std::lock_guard held(static_mutex);
      ++count;
    }
  });
  EXPECT_EQ(count, 400);
}

TEST_P(mutex_at, time_outs_lose_nothing) {
  mutex m;
  long count = 0;
  std::atomic<long> times{0};
  run_at(GetParam(), 6, [&](int party) {
    for (int i = 0; i < 300; ++i) {
      if (party % 3 != 0 && !m.lock(std::chrono::microseconds(i % 40))) continue;
      if (party % 3 == 0) m.lock();
      ++count;
      ++times;
      if (i % 7 == 0) yield();
      m.unlock();
    }
  });
  EXPECT_EQ(count, times.load());
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

} // namespace
} // namespace weft::test
