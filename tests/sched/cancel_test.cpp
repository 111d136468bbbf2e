// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

static_assert(!std::is_base_of_v<std::exception, weft::cancelled>);
static_assert(std::is_base_of_v<std::exception, weft::task_cancelled>);

// kill × {unstarted, started, later, running} × {one, all} -----------------

enum class target { unstarted, started, later, running };

class kill_matrix : public testing::TestWithParam<std::tuple<target, bool>> {};

TEST_P(kill_matrix, ends_it) {
  const auto [kind, all] = GetParam();
  int ran = 0;
  int cleaned = 0;
  auto make = [&, kind = kind]() -> weft::task<void> {
    auto body = [&, kind] {
      ++ran;
      try {
        while (true)
          kind == target::running ? weft::yield() : weft::sleep(1h);
      } catch (const weft::cancelled&) {
        ++cleaned;
        throw;
      }
    };
    return kind == target::later ? weft::spawn_later(1h, body) : weft::spawn(body);
  };
  std::vector<weft::task<void>> tasks;
  for (int i = 0; i < (all ? 5 : 1); ++i)
    tasks.push_back(make());
  const int n = static_cast<int>(tasks.size());
  const bool begun = kind == target::started || kind == target::running;
  if (begun) weft::sleep(2ms);
  EXPECT_EQ(ran, begun ? n : 0);
  int callbacks = 0;
  for (auto& t : tasks)
    t.add_done_callback([&] { ++callbacks; });
  if (all)
    weft::killall(tasks);
  else
    tasks[0].kill();
  for (auto& t : tasks) {
    EXPECT_TRUE(t.done());
    EXPECT_TRUE(t.was_cancelled());
    EXPECT_THROW(t.get(), weft::task_cancelled);
    EXPECT_FALSE(t.cancel()); // the second is harmless
    t.kill();
  }
  weft::yield();
  EXPECT_EQ(callbacks, n);
  EXPECT_EQ(ran, begun ? n : 0);
  EXPECT_EQ(cleaned, begun ? n : 0);
  EXPECT_TRUE(weft::all_tasks().empty());
}

INSTANTIATE_TEST_SUITE_P(kill, kill_matrix,
                         testing::Combine(testing::Values(target::unstarted, target::started,
                                                          target::later, target::running),
                                          testing::Bool()));

// Delivery ---------------------------------------------------------------

TEST(cancel, clean_up_may_block) {
  std::string out;
  auto t = weft::spawn([&] {
    try {
      weft::sleep(1h);
    } catch (const weft::cancelled&) {
      weft::sleep(5ms);
      out += "cleaned";
      throw;
    }
  });
  weft::yield();
  EXPECT_TRUE(t.cancel());
  t.join();
  EXPECT_EQ(out, "cleaned");
  EXPECT_TRUE(t.was_cancelled());
}

TEST(cancel, swallowed_its_value_counts) {
  auto t = weft::spawn([] {
    try {
      weft::sleep(1h);
    } catch (const weft::cancelled&) {
    }
    weft::sleep(1ms); // a new switch point: the request is spent
    return 42;
  });
  weft::yield();
  t.cancel();
  EXPECT_EQ(t.get(), 42);
  EXPECT_FALSE(t.was_cancelled());
}

TEST(cancel, several_requests_before_delivery_deliver_one) {
  int caught = 0;
  auto t = weft::spawn([&] {
    for (int i = 0; i < 2; ++i) {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        ++caught;
      }
    }
  });
  weft::yield();
  t.cancel();
  t.cancel();
  t.cancel();
  weft::sleep(1ms);
  EXPECT_EQ(caught, 1);
  EXPECT_FALSE(t.done());
  t.cancel(); // a later one delivers again
  t.join();
  EXPECT_EQ(caught, 2);
}

TEST(cancel, oneself_at_the_next_switch_point) {
  std::string out;
  auto t = weft::spawn([&] {
    EXPECT_TRUE(weft::current().cancel());
    out += "still here ";
    try {
      weft::yield();
    } catch (const weft::cancelled&) {
      out += "cancelled";
      throw;
    }
  });
  t.join();
  EXPECT_EQ(out, "still here cancelled");
  EXPECT_TRUE(t.was_cancelled());
}

TEST(cancel, every_blocking_call_is_a_switch_point) {
  weft::promise<int> never;
  auto future = never.get_future();
  auto sleeper = weft::spawn([] { weft::sleep(1h); });
  int caught = 0;
  auto check = [&](auto call) {
    // Parked in the call, and pending before it.
    for (const bool before : {false, true}) {
      auto t = weft::spawn([&] {
        if (before) weft::current().cancel();
        try {
          call();
        } catch (const weft::cancelled&) {
          ++caught;
          throw;
        }
      });
      weft::yield();
      t.cancel();
      t.join();
      EXPECT_TRUE(t.was_cancelled());
    }
  };
  check([&] { future.get(); });
  check([&] { future.wait(); });
  check([&] { future.wait_for(1h); });
  check([&] { sleeper.join(); });
  check([&] { sleeper.join(1h); });
  check([&] { weft::any_task(sleeper).get(); });
  check([&] { weft::joinall(sleeper, future); });
  check([&] { weft::joinall({sleeper}, {.timeout = 1h}); });
  check([&] { weft::sleep(1h); });
  check([&] {
    while (true)
      weft::yield();
  });
  EXPECT_EQ(caught, 20);
  EXPECT_FALSE(sleeper.done()); // cancelling one who waits leaves the target alone
  EXPECT_FALSE(future.done());
  sleeper.kill();
}

TEST(cancel, a_task_s_is_not_mistaken_for_the_callers_own) {
  auto victim = weft::spawn([] { weft::sleep(1h); });
  auto waiter = weft::spawn([&] {
    try {
      victim.get();
    } catch (const std::exception& e) {
      return std::string(e.what());
    }
    return std::string();
  });
  weft::yield();
  victim.cancel();
  EXPECT_NE(waiter.get().find("was cancelled"), std::string::npos);
  EXPECT_FALSE(waiter.was_cancelled());
}

TEST(cancel, finished_has_no_effect) {
  auto t = weft::spawn([] { return 1; });
  t.join();
  EXPECT_FALSE(t.cancel());
  EXPECT_EQ(t.get(), 1);
}

TEST(cancel, unstarted_body_never_runs_and_waiters_fire) {
  bool ran = false;
  bool waited = false;
  auto t = weft::spawn([&] { ran = true; });
  auto w = weft::spawn([&] {
    t.join();
    waited = true;
  });
  t.cancel();
  w.join();
  EXPECT_TRUE(waited);
  EXPECT_FALSE(ran);
  EXPECT_TRUE(t.was_cancelled());
}

TEST(cancel, the_threads_own_fiber_cannot_be) {
  weft::spawn([] {}).join();
  EXPECT_FALSE(weft::current().cancel());
  weft::yield();
}

TEST(cancel, from_another_thread) {
  for (int i = 0; i < 50; ++i) {
    auto t = weft::spawn([] { weft::sleep(1h); });
    if (i % 2) weft::yield();
    std::thread other([t] {
      t.cancel();
      t.join();
      EXPECT_TRUE(t.was_cancelled());
    });
    t.join();
    EXPECT_TRUE(t.was_cancelled());
    other.join();
  }
}

// Not delivered: it stays pending ---------------------------------------------

TEST(cancel_not_delivered, while_unwinding) {
  std::string out;
  struct blocks_while_unwinding {
    std::string& out;
    ~blocks_while_unwinding() {
      weft::sleep(5ms);
      out += "unwound ";
    }
  };
  auto t = weft::spawn([&] {
    try {
      const blocks_while_unwinding b{out};
      throw std::runtime_error("first");
    } catch (const std::runtime_error&) {
      out += "caught ";
    }
    try {
      weft::yield();
    } catch (const weft::cancelled&) {
      out += "cancelled";
      throw;
    }
  });
  weft::yield();
  t.cancel();
  t.join();
  EXPECT_EQ(out, "unwound caught cancelled");
  EXPECT_TRUE(t.was_cancelled());
}

struct blocks_in_destructor {
  std::string& out;
  ~blocks_in_destructor() {
    weft::sleep(5ms);
    out += "destroyed ";
  }
};

TEST(cancel_not_delivered, in_a_destructor) {
  std::string out;
  auto t = weft::spawn([&] {
    { const blocks_in_destructor b{out}; }
    out += "after ";
    weft::yield();
    out += "never";
  });
  weft::yield();
  t.cancel();
  t.join();
  EXPECT_EQ(out, "destroyed after ");
  EXPECT_TRUE(t.was_cancelled());
}

void blocks_without_throwing(std::string& out) noexcept {
  weft::sleep(5ms);
  weft::yield();
  out += "noexcept ";
}

TEST(cancel_not_delivered, in_a_noexcept_function) {
  std::string out;
  auto t = weft::spawn([&] {
    blocks_without_throwing(out);
    weft::yield();
    out += "never";
  });
  weft::yield();
  t.cancel();
  t.join();
  EXPECT_EQ(out, "noexcept ");
  EXPECT_TRUE(t.was_cancelled());
}

TEST(cancel_not_delivered, in_the_destructor_of_an_argument) {
  std::string out;
  auto t = weft::spawn([b = std::make_unique<blocks_in_destructor>(out)] {});
  weft::yield();
  t.cancel();
  t.join();
  EXPECT_EQ(out, "destroyed ");
}

TEST(cancel_delivered, inside_a_handler) {
  auto t = weft::spawn([] {
    try {
      throw std::runtime_error("first");
    } catch (const std::runtime_error&) {
      weft::sleep(1h); // handling is not unwinding
    }
  });
  weft::yield();
  t.cancel();
  t.join();
  EXPECT_TRUE(t.was_cancelled());
}

// kill and throw_into -------------------------------------------------------

TEST(kill, with_a_time_out_says_whether_it_died) {
  bool stop = false;
  auto stubborn = weft::spawn([&] {
    while (!stop) {
      try {
        weft::sleep(1ms);
      } catch (const weft::cancelled&) {
      }
    }
  });
  weft::yield();
  EXPECT_FALSE(stubborn.kill(10ms));
  stop = true;
  EXPECT_TRUE(stubborn.kill(1s));
}

TEST(kill, oneself_at_once) {
  bool after = false;
  auto t = weft::spawn([&] {
    weft::current().kill();
    after = true;
  });
  t.join();
  EXPECT_FALSE(after);
  EXPECT_TRUE(t.was_cancelled());
}

TEST(throw_into, any_exception_at_its_switch_point) {
  auto t = weft::spawn([] {
    try {
      weft::sleep(1h);
    } catch (const std::out_of_range& e) {
      return std::string(e.what());
    }
    return std::string();
  });
  weft::yield();
  EXPECT_TRUE(weft::throw_into(t, std::out_of_range("thrown")));
  EXPECT_EQ(t.get(), "thrown");
  EXPECT_FALSE(weft::throw_into(t, std::out_of_range("late")));
}

TEST(throw_into, unstarted_ends_with_it) {
  bool ran = false;
  auto t = weft::spawn([&] { ran = true; });
  weft::throw_into(t, std::out_of_range("thrown"));
  EXPECT_THROW(t.get(), std::out_of_range);
  EXPECT_FALSE(ran);
}

TEST(throw_into, a_request_to_end_is_not_lost_to_it) {
  auto t = weft::spawn([] { weft::sleep(1h); });
  weft::yield();
  t.cancel();
  weft::throw_into(t, std::out_of_range("thrown"));
  t.join();
  EXPECT_TRUE(t.was_cancelled());
}

TEST(killall, one_exception_to_each_and_names_of_those_alive) {
  bool stop = false;
  auto stubborn = weft::spawn({.name = "stubborn"}, [&] {
    while (!stop) {
      try {
        weft::sleep(1ms);
      } catch (const weft::cancelled&) {
      }
    }
  });
  auto meek = weft::spawn({.name = "meek"}, [] { weft::sleep(1h); });
  weft::yield();
  try {
    weft::killall({stubborn, meek}, {.timeout = 10ms});
    FAIL();
  } catch (const weft::timeout_error& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("stubborn"), std::string::npos);
    EXPECT_EQ(text.find("meek"), std::string::npos);
  }
  stop = true;
  stubborn.join();
}

TEST(killall, with_an_exception_without_waiting_and_oneself) {
  auto make = [] { return weft::spawn([] { weft::sleep(1h); }); };
  std::vector tasks{make(), make()};
  weft::yield();
  weft::killall(tasks,
                {.exception = std::make_exception_ptr(std::out_of_range("x")), .block = false});
  EXPECT_FALSE(tasks[0].done());
  weft::joinall(tasks);
  EXPECT_THROW(tasks[0].get(), std::out_of_range);
  EXPECT_THROW(tasks[1].get(), std::out_of_range);

  bool after = false;
  auto other = make();
  auto t = weft::spawn([&] {
    weft::killall({other, weft::current()});
    after = true;
  });
  t.join();
  EXPECT_TRUE(t.was_cancelled());
  EXPECT_TRUE(other.was_cancelled());
  EXPECT_FALSE(after);

  // The caller comes last, when the others are at their end.
  bool ended = false;
  auto slow = weft::spawn([&] {
    try {
      weft::sleep(1h);
    } catch (const weft::cancelled&) {
      weft::sleep(5ms);
      ended = true;
      throw;
    }
  });
  weft::yield();
  weft::spawn([&] {
    EXPECT_THROW(weft::killall({weft::current(), slow}), weft::cancelled);
    EXPECT_TRUE(ended);
  }).get();
  weft::killall(std::vector<weft::any_task>{});
}

} // namespace
