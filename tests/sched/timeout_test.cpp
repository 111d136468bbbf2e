// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

namespace {

/// Whose time-out `f` ends with; null: none.
template <class F>
const weft::timeout_scope* expired_in(F&& f) {
  try {
    f();
  } catch (const weft::timeout_expired& e) {
    return e.scope();
  }
  return nullptr;
}

TEST(timeout_scope, throws_at_a_switch_point_after_the_deadline) {
  weft::spawn([] {
    weft::timeout_scope limit{20ms};
    const auto start = clock_type::now();
    EXPECT_EQ(expired_in([] { weft::sleep(10s); }), &limit);
    EXPECT_GE(clock_type::now() - start, 20ms);
    EXPECT_TRUE(limit.expired());
    weft::sleep(30ms); // thrown once
  }).get();
}

TEST(timeout_scope, throws_nothing_without_a_switch_after_the_deadline) {
  weft::spawn([] {
    {
      weft::timeout_scope limit{1ms};
      std::this_thread::sleep_for(5ms);
      EXPECT_FALSE(limit.expired()); // nobody looked yet
    }
    weft::sleep(5ms);
    weft::yield();
  }).get();
}

TEST(timeout_scope, beats_an_endless_loop_of_yields) {
  weft::spawn([] {
    weft::timeout_scope limit{20ms};
    EXPECT_EQ(expired_in([] {
                while (true)
                  weft::yield();
              }),
              &limit);
  }).get();
}

TEST(timeout_scope, beats_an_endless_loop_of_zero_sleeps_among_others) {
  bool stop = false;
  auto other = weft::spawn([&] {
    while (!stop)
      weft::sleep(0s);
  });
  weft::spawn([] {
    weft::timeout_scope limit{20ms};
    EXPECT_EQ(expired_in([] {
                while (true)
                  weft::sleep(0s);
              }),
              &limit);
  }).get();
  stop = true;
  other.join();
}

TEST(timeout_scope, nested_keep_their_identity) {
  weft::spawn([] {
    weft::timeout_scope outer{30ms};
    {
      weft::timeout_scope inner{5ms};
      EXPECT_EQ(expired_in([] { weft::sleep(10s); }), &inner);
    }
    EXPECT_EQ(expired_in([] { weft::sleep(10s); }), &outer);
  }).get();
  weft::spawn([] {
    weft::timeout_scope outer{5ms};
    EXPECT_EQ(expired_in([] {
                weft::timeout_scope inner{10s};
                weft::sleep(20s);
              }),
              &outer);
  }).get();
}

TEST(timeout_scope, an_outer_one_is_not_lost_while_an_inner_one_throws) {
  weft::spawn([] {
    const auto when = clock_type::now() + 10ms;
    weft::timeout_scope outer{when + 1us};
    {
      weft::timeout_scope inner{when};
      EXPECT_EQ(expired_in([] { weft::sleep(10s); }), &inner);
    }
    EXPECT_EQ(expired_in([] { weft::sleep(10s); }), &outer);
  }).get();
}

TEST(timeout_scope, is_not_lost_in_a_calls_own_time_out) {
  weft::spawn([] {
    auto endless = weft::spawn([] { weft::sleep(1h); });
    const auto when = clock_type::now() + 10ms;
    weft::timeout_scope limit{when};
    EXPECT_EQ(expired_in([&] {
                while (true)
                  EXPECT_FALSE(endless.join(when));
              }),
              &limit);
    endless.kill();
  }).get();
}

TEST(timeout_scope, a_negative_span_is_zero_and_throws_at_the_next_switch) {
  weft::spawn([] {
    weft::timeout_scope limit{-5s};
    EXPECT_TRUE(limit.expired());
    EXPECT_EQ(expired_in([] { weft::yield(); }), &limit);
  }).get();
}

TEST(timeout_scope, can_be_rescheduled_and_closed) {
  weft::spawn([] {
    weft::timeout_scope limit{weft::deadline::never()};
    weft::sleep(2ms);
    limit.reschedule(0s);
    limit.reschedule(1h); // what was pending is forgotten
    EXPECT_FALSE(limit.expired());
    weft::yield();
    limit.reschedule(5ms);
    EXPECT_EQ(expired_in([] { weft::sleep(10s); }), &limit);
    limit.reschedule(1ms);
    limit.close();
    limit.close();
    weft::sleep(3ms);
    EXPECT_THROW(limit.reschedule(1s), std::logic_error);
  }).get();
}

TEST(timeout_scope, a_closed_inner_one_leaves_the_outer_one_pending) {
  weft::spawn([] {
    weft::timeout_scope outer{0s};
    weft::timeout_scope inner{0s};
    inner.close();
    EXPECT_EQ(expired_in([] { weft::yield(); }), &outer);
  }).get();
}

TEST(timeout_scope, cancellation_comes_first) {
  auto t = weft::spawn([] {
    weft::timeout_scope limit{0s};
    weft::current().cancel();
    try {
      weft::yield();
    } catch (const weft::cancelled&) {
      EXPECT_EQ(expired_in([] { weft::yield(); }), &limit);
      throw;
    }
    ADD_FAILURE() << "not cancelled";
  });
  t.join();
  EXPECT_TRUE(t.was_cancelled());
}

TEST(timeout_scope, is_not_thrown_while_unwinding) {
  struct sleeps_at_the_end {
    ~sleeps_at_the_end() { weft::sleep(20ms); }
  };
  weft::spawn([] {
    weft::timeout_scope limit{5ms};
    EXPECT_THROW(
        {
          const sleeps_at_the_end s;
          throw std::runtime_error("first");
        },
        std::runtime_error);
    EXPECT_EQ(expired_in([] { weft::yield(); }), &limit); // kept
  }).get();
}

TEST(timeout_scope, limits_the_threads_own_fiber_too) {
  auto other = weft::spawn([] { weft::sleep(1h); });
  weft::timeout_scope limit{5ms};
  EXPECT_EQ(expired_in([&] { other.join(); }), &limit);
  other.kill();
}

TEST(timeout_scope, needs_a_fiber) {
  std::thread([] { EXPECT_THROW(weft::timeout_scope{1s}, std::logic_error); }).join();
  std::optional<bool> refused;
  weft::call_later(0s, [&] {
    try {
      weft::timeout_scope limit{1s};
      refused = false;
    } catch (const std::logic_error&) {
      refused = true;
    }
  });
  weft::sleep(2ms);
  EXPECT_EQ(refused, true);
}

TEST(timeout_scope, a_thousand_at_once) {
  std::vector<weft::task<bool>> tasks;
  for (int i = 0; i < 1000; ++i)
    tasks.push_back(weft::spawn([i] {
      weft::timeout_scope limit{std::chrono::microseconds(i * 17 % 5000)};
      return expired_in([] { weft::sleep(10s); }) == &limit;
    }));
  for (auto& t : tasks)
    EXPECT_TRUE(t.get());
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
TEST(timeout_scope, goes_on_in_a_forked_child) {
  weft::timeout_scope limit{50ms};
  weft::sleep(1ms);
  const pid_t child = fork();
  if (child == 0) {
    auto other = weft::spawn([] { weft::sleep(1h); });
    _exit(expired_in([&] { other.join(); }) == &limit ? 7 : 1);
  }
  limit.close();
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}
#endif

} // namespace
