// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

// Generators whose bodies block, are cancelled, and are shared by fibers.

namespace {

weft::generator<int> slow_count(int to) {
  return [to](auto& yield) {
    for (int i = 0; i < to; ++i) {
      weft::sleep(1ms);
      yield(i);
    }
  };
}

TEST(generator_in_fiber, a_body_that_parks_parks_the_caller) {
  std::string order;
  auto reader = weft::spawn([&] {
    for (int i : slow_count(3))
      order += std::to_string(i);
    order += "r";
  });
  auto other = weft::spawn([&] {
    for (int i = 0; i < 3; ++i) {
      order += "o";
      weft::yield();
    }
  });
  weft::joinall(reader, other);
  EXPECT_EQ(order, "ooo012r");
}

TEST(generator_in_fiber, current_is_the_caller) {
  weft::generator<std::string> g([](auto& yield) {
    while (true)
      yield(weft::current().name());
  });
  weft::spawn({.name = "ann"}, [&] { EXPECT_EQ(g.next(), "ann"); }).get();
  weft::spawn({.name = "bob"}, [&] { EXPECT_EQ(g.next(), "bob"); }).get();
  EXPECT_EQ(g.next(), "main"); // the thread's own
}

TEST(generator_in_fiber, joins_what_its_body_spawned) {
  weft::generator<int> g([](auto& yield) {
    for (int i = 0; i < 3; ++i)
      yield(weft::spawn([i] {
              weft::yield();
              return i * 10;
            }).get());
  });
  std::vector<int> got;
  for (int i : g)
    got.push_back(i);
  EXPECT_EQ(got, (std::vector<int>{0, 10, 20}));
}

TEST(generator_in_fiber, the_thread_may_park_in_a_body_too) {
  int sum = 0;
  weft::spawn([] {}).join(); // a hub
  for (int i : slow_count(4))
    sum += i;
  EXPECT_EQ(sum, 6);
}

TEST(generator_in_fiber, the_first_spawn_of_a_thread_may_be_made_in_a_body) {
  std::vector<int> got;
  std::thread([&] {
    weft::generator<int> outer([](auto& yield) {
      yield.from(weft::generator<int>([](auto& inner) {
        inner(weft::spawn([] {
                weft::sleep(1ms);
                return 7;
              }).get());
        weft::sleep(1ms);
        inner(8);
      }));
      weft::sleep(1ms);
      yield(9);
    });
    for (int i : outer)
      got.push_back(i);
    got.push_back(weft::spawn([] { return 10; }).get());
  }).join();
  EXPECT_EQ(got, (std::vector<int>{7, 8, 9, 10}));
}

TEST(generator_in_fiber, cancellation_is_thrown_in_the_body_and_through_it) {
  std::string seen;
  auto t = weft::spawn([&] {
    weft::generator<int> g([&](auto& yield) {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        seen += "body ";
        throw;
      }
      yield(1);
    });
    try {
      g.next();
    } catch (const weft::cancelled&) {
      seen += "caller ";
      EXPECT_TRUE(g.done());
      throw;
    }
  });
  weft::yield();
  t.kill();
  EXPECT_TRUE(t.was_cancelled());
  EXPECT_EQ(seen, "body caller ");
}

TEST(generator_in_fiber, a_body_may_swallow_the_cancellation_of_its_caller) {
  auto t = weft::spawn([&] {
    weft::generator<int> g([&](auto& yield) {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        yield(1);
      }
    });
    return *g.next();
  });
  weft::yield();
  EXPECT_TRUE(t.cancel());
  EXPECT_EQ(t.get(), 1);
}

TEST(generator_in_fiber, nested_bodies_are_unwound_from_the_innermost) {
  std::string order;
  struct mark {
    std::string& out;
    char name;
    ~mark() { out += name; }
  };
  auto t = weft::spawn([&] {
    const mark a{order, 'a'};
    weft::generator<int> outer([&](auto& yield) {
      const mark b{order, 'b'};
      yield.from(weft::generator<int>([&](auto& inner) {
        const mark c{order, 'c'};
        inner(1);
        weft::sleep(1h);
      }));
    });
    for (int i : outer)
      order += static_cast<char>('0' + i);
  });
  weft::yield();
  t.kill();
  EXPECT_EQ(order, "1cba");
}

// Where the exception would end the process it stays pending.

TEST(generator_in_fiber, no_cancellation_into_a_noexcept_function_of_the_body) {
  bool through = false;
  auto t = weft::spawn([&] {
    weft::generator<int> g([&](auto& yield) {
      [&]() noexcept {
        weft::sleep(5ms);
        through = true;
      }();
      yield(1);
    });
    EXPECT_EQ(g.next(), 1);
    weft::sleep(1h);
  });
  weft::yield();
  t.kill();
  EXPECT_TRUE(through);
  EXPECT_TRUE(t.was_cancelled());
}

TEST(generator_in_fiber, no_cancellation_into_a_noexcept_function_of_the_caller) {
  bool through = false;
  auto t = weft::spawn([&] {
    weft::generator<int> g([&](auto& yield) {
      weft::sleep(5ms);
      through = true;
      yield(1);
    });
    [&]() noexcept { EXPECT_EQ(g.next(), 1); }();
    weft::sleep(1h);
  });
  weft::yield();
  t.kill();
  EXPECT_TRUE(through);
  EXPECT_TRUE(t.was_cancelled());
}

TEST(generator_in_fiber, no_cancellation_through_two_bodies_into_a_noexcept_function) {
  bool through = false;
  auto t = weft::spawn([&] {
    weft::generator<int> outer([&](auto& yield) {
      yield.from(weft::generator<int>([&](auto& inner) {
        weft::sleep(5ms);
        through = true;
        inner(1);
      }));
    });
    [&]() noexcept { EXPECT_EQ(outer.next(), 1); }();
    weft::sleep(1h);
  });
  weft::yield();
  t.kill();
  EXPECT_TRUE(through);
  EXPECT_TRUE(t.was_cancelled());
}

TEST(generator_in_fiber, no_cancellation_while_the_caller_unwinds) {
  bool cleaned = false;
  auto t = weft::spawn([&] {
    struct uses_one {
      bool& cleaned;
      ~uses_one() {
        weft::generator<int> g([&](auto& yield) {
          weft::sleep(5ms);
          cleaned = true;
          yield(1);
        });
        g.next();
      }
    };
    const uses_one u{cleaned};
    throw std::runtime_error("out");
  });
  weft::yield();
  t.kill();
  EXPECT_TRUE(cleaned);
  EXPECT_THROW(t.get(), std::runtime_error);
}

TEST(generator_in_fiber, a_destroyed_body_may_block_and_is_not_cancelled_meanwhile) {
  bool cleaned = false;
  auto t = weft::spawn([&] {
    {
      weft::generator<int> g([&](auto& yield) {
        try {
          yield(1);
        } catch (const weft::generator_exit&) {
          weft::sleep(5ms);
          cleaned = true;
        }
      });
      g.next();
    }
    weft::sleep(1h);
  });
  weft::yield();
  t.kill();
  EXPECT_TRUE(cleaned);
  EXPECT_TRUE(t.was_cancelled());
}

TEST(generator_in_fiber, a_time_out_of_the_caller_is_thrown_in_the_body) {
  bool seen = false;
  weft::spawn([&] {
    const weft::timeout_scope limit{1ms};
    weft::generator<int> g([&](auto& yield) {
      try {
        weft::sleep(1h);
      } catch (const weft::timeout_expired&) {
        seen = true;
        throw;
      }
      yield(1);
    });
    try {
      g.next();
    } catch (const weft::timeout_expired& e) {
      EXPECT_EQ(e.scope(), &limit);
    }
    EXPECT_TRUE(g.done());
  }).get();
  EXPECT_TRUE(seen);
}

#if !defined(__SANITIZE_THREAD__) // which takes a fiber that forks for a thread
TEST(generator_in_fiber, a_forked_child_loses_fibers_that_block_in_bodies) {
  auto blocked = slow_count(2);
  auto used = slow_count(3);
  EXPECT_EQ(used.next(), 0);
  auto t = weft::spawn([&] {
    while (blocked.next())
      weft::sleep(1h);
  });
  weft::yield();
  pid_t child = -1;
  auto forks = weft::spawn([&] {
    weft::generator<int> g([&](auto& yield) {
      child = ::fork();
      yield(1);
      weft::sleep(1ms);
      yield(2);
    });
    EXPECT_EQ(g.next(), 1);
    if (child != 0) return;
    const bool right = t.was_cancelled() && g.next() == 2 && used.next() == 1 &&
                       weft::spawn([] { return 5; }).get() == 5;
    ::_exit(right ? 0 : 1);
  });
  forks.get();
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  t.kill();
}
#endif

TEST(generator_in_fiber, throw_into_the_fiber_reaches_the_body) {
  auto t = weft::spawn([] {
    weft::generator<int> g([](auto& yield) {
      try {
        weft::sleep(1h);
      } catch (const std::out_of_range&) {
        yield(5);
      }
    });
    return *g.next();
  });
  weft::yield();
  weft::throw_into(t, std::out_of_range("in"));
  EXPECT_EQ(t.get(), 5);
}

TEST(generator_in_fiber, fibers_of_one_hub_take_turns) {
  weft::generator<int> g([](auto& yield) {
    for (int i = 0;; ++i) {
      weft::yield();
      yield(i);
    }
  });
  std::vector<int> got;
  for (int i = 0; i < 10; ++i)
    weft::spawn([&] { got.push_back(*g.next()); }).join();
  EXPECT_EQ(got, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(generator_in_fiber, many_fibers_park_in_bodies_of_their_own) {
  int sum = 0;
  std::vector<weft::task<void>> tasks;
  for (int f = 0; f < 100; ++f)
    tasks.push_back(weft::spawn([&sum, f] {
      weft::generator<int> g([f](auto& yield) {
        for (int i = 0; i < 20; ++i) {
          if (i % 3 == f % 3) weft::yield();
          yield(1);
          if (i % 5 == 0) weft::sleep(1us);
        }
      });
      for (int i : g) {
        weft::yield();
        sum += i;
      }
    }));
  weft::joinall(tasks);
  EXPECT_EQ(sum, 2000);
}

TEST(generator_in_fiber, handles_an_exception_over_a_park) {
  auto t = weft::spawn([] {
    weft::generator<int> g([](auto& yield) {
      try {
        throw std::runtime_error("inner");
      } catch (...) {
        weft::sleep(1ms);
        yield(1);
        weft::sleep(1ms);
        try {
          throw;
        } catch (const std::runtime_error&) {
          yield(2);
        }
      }
    });
    try {
      throw std::out_of_range("outer");
    } catch (...) {
      EXPECT_EQ(g.next(), 1);
      weft::sleep(1ms);
      EXPECT_THROW(throw, std::out_of_range);
    }
    EXPECT_EQ(g.next(), 2);
  });
  t.get();
}

TEST(generator_in_fiber, runs_in_a_callback_where_it_may_not_block) {
  weft::generator<int> g([](auto& yield) {
    yield(1);
    EXPECT_THROW(weft::sleep(1ms), std::logic_error);
    yield(2);
  });
  std::vector<int> got;
  weft::call_later(0ms, [&] {
    got.push_back(*g.next());
    got.push_back(*g.next());
  });
  weft::sleep(2ms);
  EXPECT_EQ(got, (std::vector<int>{1, 2}));
  EXPECT_FALSE(g.next());
}

TEST(generator_in_fiber, is_finished_by_another_fiber_than_it_began_in) {
  auto g = slow_count(2);
  weft::spawn([&] { EXPECT_EQ(g.next(), 0); }).join(); // its stack outlives that fiber's
  weft::spawn([&] {
    EXPECT_EQ(g.next(), 1);
    EXPECT_FALSE(g.next());
  }).join();
}

TEST(generator_in_fiber, may_outlive_the_thread_it_was_made_on) {
  weft::generator<int> unstarted;
  weft::generator<int> half;
  bool unwound = false;
  struct at_end {
    bool& flag;
    ~at_end() { flag = true; }
  };
  std::thread([&] {
    weft::spawn([&] {
      unstarted = slow_count(1);
      half = [&](auto& yield) {
        const at_end end{unwound};
        weft::sleep(1ms);
        yield(1);
      };
      half.next();
    }).join();
  }).join();
  EXPECT_EQ(unstarted.next(), 0); // not started: it may go to any thread
  EXPECT_THROW(half.next(), std::logic_error);
  half = {};
  EXPECT_TRUE(unwound);
}

} // namespace
