// SPDX-License-Identifier: BSL-1.0
#include <mutex>

#include "tests/sync/errors.hpp"
#include "tests/sync/places.hpp"

namespace weft::test {
namespace {

constinit recursive_mutex static_recursive;

TEST(recursive_mutex, is_free_after_as_many_unlocks) {
  recursive_mutex m;
  m.lock();
  EXPECT_TRUE(m.try_lock());
  EXPECT_TRUE(m.lock(0s));
  EXPECT_TRUE(m.try_lock_for(1s));
  EXPECT_TRUE(m.try_lock_until(clock_type::now()));
  const auto other_can = [&] {
    return spawn([&] {
             if (!m.try_lock()) return false;
             m.unlock();
             return true;
           })
        .get();
  };
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(other_can());
    m.unlock();
  }
  EXPECT_TRUE(other_can());
}

TEST(recursive_mutex, used_against_the_rules) {
  recursive_mutex m;
  EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
  m.lock();
  spawn([&] {
    EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
    EXPECT_FALSE(m.lock(1ms));
  }).get();
  m.unlock();
  EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
}

TEST(recursive_mutex, is_handed_over_in_the_order_of_arrival) {
  recursive_mutex m;
  std::string order;
  std::vector<task<void>> all;
  m.lock();
  m.lock();
  for (int i = 0; i < 4; ++i)
    all.push_back(spawn([&, i] {
      const std::lock_guard outer(m);
      const std::lock_guard inner(m);
      yield();
      order += static_cast<char>('0' + i);
    }));
  yield();
  m.unlock();
  yield();
  EXPECT_EQ(order, "");
  all[1].cancel();
  m.unlock();
  for (auto& t : all)
    t.join();
  EXPECT_EQ(order, "023");
}

TEST(recursive_mutex, inside_callbacks) {
  recursive_mutex m;
  in_callback([&] {
    const std::lock_guard outer(m);
    EXPECT_TRUE(m.try_lock());
    m.unlock();
  });
  m.lock();
  in_callback([&] {
    EXPECT_FALSE(m.try_lock());
    EXPECT_THROW(m.lock(), std::logic_error);
  });
  m.unlock();
}

class recursive_mutex_at : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(places, recursive_mutex_at, all_places, name_of);

TEST_P(recursive_mutex_at, excludes_others) {
  recursive_mutex m;
  long count = 0, in_static = 0;
  run_at(GetParam(), 6, [&](int party) {
    for (int i = 0; i < 500; ++i) {
      if (party % 2 == 0)
        m.lock();
      else if (!m.lock(std::chrono::microseconds(i % 30)))
        continue;
      const std::lock_guard inner(m);
      ++count;
      if (i % 50 == 0) yield();
      --count;
      m.unlock();
    }
    const std::lock_guard outer(static_recursive);
    ++in_static;
  });
  EXPECT_EQ(count, 0);
  EXPECT_EQ(in_static, 6);
}

} // namespace
} // namespace weft::test
