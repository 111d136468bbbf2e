// SPDX-License-Identifier: BSL-1.0
#include <deque>
#include <mutex>
#include <system_error>

#include "tests/sync/places.hpp"

namespace weft::test {
namespace {

constinit mutex static_mutex;
constinit condition_variable static_condition;

TEST(condition_variable, notify_one_wakes_the_oldest) {
  mutex m;
  condition_variable c;
  std::string order;
  std::vector<task<void>> all;
  for (int i = 0; i < 3; ++i)
    all.push_back(spawn([&, i] {
      std::unique_lock held(m);
      c.wait(held);
      EXPECT_TRUE(held.owns_lock());
      order += static_cast<char>('0' + i);
    }));
  yield();
  c.notify_one();
  sleep(1ms);
  EXPECT_EQ(order, "0");
  c.notify_all();
  sleep(1ms);
  EXPECT_EQ(order, "012");
  c.notify_one(); // nobody: not remembered
  spawn([&] {
    std::unique_lock held(m);
    EXPECT_FALSE(c.wait(held, 1ms));
  }).get();
}

TEST(condition_variable, predicates) {
  mutex m;
  condition_variable c;
  int value = 0;
  auto t = spawn([&] {
    std::unique_lock held(m);
    c.wait(held, [&] { return value == 3; });
    EXPECT_EQ(value, 3);
    EXPECT_TRUE(c.wait(held, 0s, [] { return true; }));
    EXPECT_FALSE(c.wait(held, 1ms, [] { return false; }));
  });
  while (!t.done()) {
    {
      const std::lock_guard held(m);
      if (value < 3) ++value;
    }
    c.notify_one();
    sleep(1ms);
  }
  t.get();
}

TEST(condition_variable, the_names_of_std) {
  mutex m;
  condition_variable_any c;
  std::unique_lock held(m);
  EXPECT_EQ(c.wait_for(held, 1ms), std::cv_status::timeout);
  EXPECT_EQ(c.wait_until(held, clock_type::now() + 1ms), std::cv_status::timeout);
  EXPECT_EQ(c.wait_until(held, std::chrono::system_clock::now() + 1ms), std::cv_status::timeout);
  EXPECT_FALSE(c.wait_for(held, 1ms, [] { return false; }));
  EXPECT_TRUE(c.wait_until(held, clock_type::now() + 1ms, [] { return true; }));
  auto t = spawn([&] {
    const std::lock_guard lock(m);
    c.notify_all();
  });
  EXPECT_EQ(c.wait_for(held, ages), std::cv_status::no_timeout);
  EXPECT_TRUE(held.owns_lock());
  t.get();
}

/// Counts, and is otherwise a mutex that anybody may write.
struct own_lock {
  void lock() {
    m.lock();
    ++locked;
  }
  void unlock() { m.unlock(); }
  mutex m;
  int locked = 0;
};

TEST(condition_variable, any_lock_will_do) {
  own_lock lock;
  condition_variable c;
  lock.lock();
  auto t = spawn([&] {
    lock.lock();
    c.notify_one();
    lock.unlock();
  });
  c.wait(lock);
  EXPECT_EQ(lock.locked, 3);
  lock.unlock();

  mutex m;
  m.lock();
  EXPECT_FALSE(c.wait(m, 1ms));
  EXPECT_FALSE(m.try_lock());
  m.unlock();
}

TEST(condition_variable, cancelled_while_it_waits_throws_with_the_lock_held) {
  mutex m;
  condition_variable c;
  bool held_when_thrown = false;
  auto t = spawn([&] {
    std::unique_lock held(m);
    try {
      c.wait(held);
    } catch (const cancelled&) {
      held_when_thrown = held.owns_lock() && !m.try_lock();
      throw;
    }
  });
  yield();
  t.cancel();
  t.join();
  EXPECT_TRUE(t.was_cancelled());
  EXPECT_TRUE(held_when_thrown);
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(condition_variable, relocking_is_not_interrupted) {
  mutex m;
  condition_variable c;
  bool thrown = false;
  auto t = spawn([&] {
    std::unique_lock held(m);
    try {
      c.wait(held);
    } catch (const cancelled&) {
      EXPECT_FALSE(m.try_lock());
      thrown = true;
    }
  });
  yield();
  m.lock();
  t.cancel();
  for (int i = 0; i < 5; ++i)
    sleep(1ms);
  EXPECT_FALSE(t.done()); // cancelled, and waits for the lock
  t.cancel();
  sleep(1ms);
  EXPECT_FALSE(t.done());
  m.unlock();
  t.join();
  EXPECT_TRUE(thrown);
}

TEST(condition_variable, timed_out_and_cancelled_while_it_relocks_throws_after_it) {
  mutex m;
  condition_variable c;
  auto t = spawn([&] {
    std::unique_lock held(m);
    (void)c.wait(held, 1ms);
  });
  yield();
  m.lock();
  sleep(5ms);
  t.cancel();
  sleep(1ms);
  EXPECT_FALSE(t.done());
  m.unlock();
  t.join();
  EXPECT_TRUE(t.was_cancelled());
}

TEST(condition_variable, notified_and_cancelled_while_it_relocks_was_notified) {
  mutex m;
  condition_variable c;
  bool notified = false;
  auto t = spawn([&] {
    std::unique_lock held(m);
    c.wait(held);
    notified = true;
    yield(); // and here it is thrown
    ADD_FAILURE() << "the request was lost";
  });
  yield();
  m.lock();
  c.notify_one();
  yield();
  t.cancel();
  yield();
  m.unlock();
  t.join();
  EXPECT_TRUE(notified);
  EXPECT_TRUE(t.was_cancelled());
}

TEST(condition_variable, a_notification_is_not_lost_with_one_who_leaves) {
  mutex m;
  condition_variable c;
  auto leaver = spawn([&] {
    std::unique_lock held(m);
    c.wait(held);
  });
  auto stayer = spawn([&] {
    std::unique_lock held(m);
    EXPECT_TRUE(c.wait(held, ages));
  });
  yield();
  leaver.cancel();
  leaver.join();
  c.notify_one();
  stayer.get();
}

TEST(condition_variable, pending_requests_are_thrown_before_it_unlocks) {
  mutex m;
  condition_variable c;
  auto t = spawn([&] {
    std::unique_lock held(m);
    current().cancel();
    c.wait(held);
  });
  t.join();
  EXPECT_TRUE(t.was_cancelled());
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(condition_variable, a_lock_that_is_not_held) {
  mutex m;
  condition_variable c;
  EXPECT_THROW(c.wait(m), std::system_error);
  std::unique_lock held(m, std::defer_lock);
  EXPECT_THROW(c.wait(held), std::system_error);
  c.notify_all(); // nobody is left in
  m.lock();
  m.unlock();
}

/// Notifies while it unlocks, and is not locked after all.
struct notifying_lock {
  void lock() {}
  void unlock() {
    c.notify_one();
    throw std::runtime_error("not held");
  }
  condition_variable& c;
};

TEST(condition_variable, a_notification_that_came_to_one_who_cannot_wait_is_passed_on) {
  mutex m;
  condition_variable c;
  notifying_lock lock{c};
  EXPECT_THROW(c.wait(lock), std::runtime_error);
  // Taken by the oldest, who goes; the next gets it.
  std::optional<task<void>> other;
  struct spawning_lock : notifying_lock {
    void unlock() {
      c.notify_one();
      spawn_waiter();
      throw std::runtime_error("not held");
    }
    std::function<void()> spawn_waiter;
  };
  spawning_lock second{{c}, [&] {
                         other = spawn([&] {
                           std::unique_lock held(m);
                           EXPECT_TRUE(c.wait(held, ages));
                         });
                         yield();
                       }};
  EXPECT_THROW(c.wait(second), std::runtime_error);
  other->get();
}

TEST(condition_variable, inside_callbacks) {
  mutex m;
  condition_variable c;
  auto t = spawn([&] {
    std::unique_lock held(m);
    c.wait(held);
  });
  yield();
  in_callback([&] {
    std::unique_lock held(m);
    EXPECT_THROW(c.wait(held), std::logic_error);
    EXPECT_TRUE(held.owns_lock());
    held.unlock();
    c.notify_one();
  });
  t.get();
}

class condition_variable_at : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(places, condition_variable_at, all_places, name_of);

TEST_P(condition_variable_at, a_bounded_buffer_loses_nothing) {
  mutex m;
  condition_variable filled, emptied;
  std::deque<int> buffer;
  long sum = 0;
  run_at(GetParam(), 6, [&](int party) {
    for (int i = 0; i < 400; ++i) {
      std::unique_lock held(m);
      if (party < 3) {
        emptied.wait(held, [&] { return buffer.size() < 4; });
        buffer.push_back(i);
        filled.notify_one();
      } else {
        filled.wait(held, [&] { return !buffer.empty(); });
        sum += buffer.front();
        buffer.pop_front();
        emptied.notify_one();
      }
    }
  });
  EXPECT_EQ(sum, 3L * 400 * 399 / 2);
}

TEST_P(condition_variable_at, in_static_storage) {
  int turn = 0;
  run_at(GetParam(), 4, [&](int party) {
    for (int i = 0; i < 50; ++i) {
      std::unique_lock held(static_mutex);
      EXPECT_TRUE(static_condition.wait(held, ages, [&] { return turn % 4 == party; }));
      ++turn;
      static_condition.notify_all();
    }
  });
  EXPECT_EQ(turn, 200);
}

// Tokens are notifications: each is consumed by one who was notified, or by who finds it anyway.
TEST_P(condition_variable_at, time_outs_lose_no_notification) {
  mutex m;
  condition_variable c;
  int tokens = 0;
  std::atomic<int> left{600};
  run_at(GetParam(), 6, [&](int party) {
    if (party == 0) {
      for (int i = 0; i < 600; ++i) {
        const std::lock_guard held(m);
        ++tokens;
        c.notify_one();
      }
      return;
    }
    while (left > 0) {
      std::unique_lock held(m);
      if (tokens == 0) (void)c.wait(held, std::chrono::microseconds(left % 60));
      if (tokens > 0) {
        --tokens;
        --left;
      }
    }
  });
  EXPECT_EQ(tokens, 0);
}

} // namespace
} // namespace weft::test
