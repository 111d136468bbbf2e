// SPDX-License-Identifier: BSL-1.0
#include <mutex>
#include <shared_mutex>

#include "tests/sync/errors.hpp"
#include "tests/sync/places.hpp"

namespace weft::test {
namespace {

constinit shared_mutex static_shared;

TEST(shared_mutex, many_share_and_one_holds_it_alone) {
  shared_mutex m;
  int readers = 0, most = 0;
  std::vector<task<void>> all;
  for (int i = 0; i < 5; ++i)
    all.push_back(spawn([&] {
      const std::shared_lock share(m);
      most = std::max(most, ++readers);
      sleep(1ms);
      --readers;
    }));
  all.push_back(spawn([&] {
    const std::unique_lock alone(m);
    EXPECT_EQ(readers, 0);
    EXPECT_FALSE(m.try_lock_shared());
    sleep(1ms);
  }));
  all.push_back(spawn([&] {
    const std::shared_lock share(m);
    EXPECT_FALSE(m.try_lock());
  }));
  for (auto& t : all)
    t.get();
  EXPECT_EQ(most, 5);
}

/// Fibers 'r' and 'w' that each write their letter once they are in, and leave when told to.
class queue_of {
 public:
  explicit queue_of(const std::string& kinds) {
    for (const char kind : kinds)
      fibers_.push_back(spawn([this, kind] {
        kind == 'w' ? lock.lock() : lock.lock_shared();
        inside += kind;
        leave.wait();
        kind == 'w' ? lock.unlock() : lock.unlock_shared();
      }));
    yield();
  }
  /// Lets those inside go on; says who is inside then.
  std::string next() {
    inside.clear();
    leave.set();
    leave.clear();
    for (int i = 0; i < 3; ++i)
      yield();
    return inside;
  }
  void cancel(std::size_t i) {
    fibers_[i].cancel();
    fibers_[i].join();
  }

  shared_mutex lock;
  std::string inside;
  event leave;

 private:
  std::vector<task<void>> fibers_;
};

TEST(shared_mutex, is_fair_to_readers_and_writers) {
  queue_of q("rrwrrwwr");
  EXPECT_EQ(q.inside, "rr");
  EXPECT_FALSE(q.lock.try_lock_shared()); // behind the writer
  EXPECT_EQ(q.next(), "w");
  EXPECT_EQ(q.next(), "rr");
  EXPECT_EQ(q.next(), "w");
  EXPECT_EQ(q.next(), "w");
  EXPECT_EQ(q.next(), "r");
  EXPECT_EQ(q.next(), "");
  EXPECT_TRUE(q.lock.try_lock());
  q.lock.unlock();
}

TEST(shared_mutex, a_cancelled_writer_lets_the_readers_behind_it_in) {
  queue_of q("rwrr");
  EXPECT_EQ(q.inside, "r");
  q.cancel(1);
  yield();
  EXPECT_EQ(q.inside, "rrr");
  EXPECT_EQ(q.next(), "");
  EXPECT_TRUE(q.lock.try_lock());
  q.lock.unlock();
}

TEST(shared_mutex, a_cancelled_reader_lets_nobody_overtake) {
  queue_of q("wrwr");
  q.cancel(1);
  EXPECT_EQ(q.inside, "w");
  EXPECT_EQ(q.next(), "w");
  EXPECT_EQ(q.next(), "r");
  EXPECT_EQ(q.next(), "");
}

TEST(shared_mutex, a_timed_out_writer_lets_the_readers_behind_it_in) {
  shared_mutex m;
  m.lock_shared();
  auto writer = spawn([&] {
    const auto start = clock_type::now();
    EXPECT_FALSE(m.try_lock_for(5ms));
    EXPECT_GE(clock_type::now() - start, 5ms);
  });
  auto reader = spawn([&] {
    EXPECT_TRUE(m.try_lock_shared_for(ages));
    m.unlock_shared();
  });
  reader.get();
  writer.get();
  m.unlock_shared();
  m.lock();
  spawn([&] {
    EXPECT_FALSE(m.lock(0s));
    EXPECT_FALSE(m.lock_shared(0s));
    EXPECT_FALSE(m.try_lock_until(clock_type::now() + 1ms));
    EXPECT_FALSE(m.try_lock_shared_until(clock_type::now() + 1ms));
    EXPECT_FALSE(m.lock_shared(1ms));
  }).get();
  m.unlock();
}

TEST(shared_mutex, used_against_the_rules) {
  shared_mutex m;
  const auto not_permitted = std::errc::operation_not_permitted;
  const auto deadlock = std::errc::resource_deadlock_would_occur;
  EXPECT_EQ(error_of([&] { m.unlock(); }), not_permitted);
  EXPECT_EQ(error_of([&] { m.unlock_shared(); }), not_permitted);
  m.lock();
  EXPECT_EQ(error_of([&] { m.lock(); }), deadlock);
  EXPECT_EQ(error_of([&] { m.lock_shared(); }), deadlock);
  EXPECT_EQ(error_of([&] { m.unlock_shared(); }), not_permitted);
  spawn([&] { EXPECT_EQ(error_of([&] { m.unlock(); }), not_permitted); }).get();
  EXPECT_FALSE(m.try_lock());
  EXPECT_FALSE(m.try_lock_shared());
  m.unlock();
  m.lock_shared();
  EXPECT_EQ(error_of([&] { m.unlock(); }), not_permitted);
  spawn([&] { m.unlock_shared(); }).get(); // a share is nobody's
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(shared_mutex, inside_callbacks) {
  shared_mutex m;
  in_callback([&] {
    EXPECT_TRUE(m.try_lock());
    m.unlock();
    EXPECT_TRUE(m.try_lock_shared());
    EXPECT_THROW(m.lock(), std::logic_error);
    m.unlock_shared();
  });
  m.lock();
  in_callback([&] { EXPECT_THROW(m.lock_shared(), std::logic_error); });
  m.unlock();
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

class shared_mutex_at : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(places, shared_mutex_at, all_places, name_of);

TEST_P(shared_mutex_at, readers_see_whole_writes) {
  shared_mutex m;
  long a = 0, b = 0;
  run_at(GetParam(), 8, [&](int party) {
    for (int i = 0; i < 300; ++i) {
      if (party % 4 == 0) {
        const std::unique_lock alone(m);
        ++a;
        if (i % 30 == 0) yield();
        ++b;
      } else {
        const std::shared_lock share(m);
        EXPECT_EQ(a, b);
        if (i % 30 == 0) yield();
      }
    }
  });
  EXPECT_EQ(a, 600);
}

TEST_P(shared_mutex_at, time_outs_lose_nothing) {
  shared_mutex m;
  std::atomic<int> readers{0}, writers{0};
  run_at(GetParam(), 8, [&](int party) {
    for (int i = 0; i < 200; ++i) {
      const auto patience = std::chrono::microseconds(i % 40);
      if (party % 3 == 0) {
        if (!m.lock(patience)) continue;
        EXPECT_EQ(++writers, 1);
        EXPECT_EQ(readers, 0);
        if (i % 10 == 0) yield();
        --writers;
        m.unlock();
      } else {
        if (!m.lock_shared(patience)) continue;
        ++readers;
        EXPECT_EQ(writers, 0);
        if (i % 10 == 0) yield();
        --readers;
        m.unlock_shared();
      }
    }
  });
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST_P(shared_mutex_at, in_static_storage) {
  int count = 0;
  run_at(GetParam(), 4, [&](int) {
    {
      const std::unique_lock alone(static_shared);
      ++count;
    }
    const std::shared_lock share(static_shared);
    EXPECT_GE(count, 1);
  });
}

} // namespace
} // namespace weft::test
