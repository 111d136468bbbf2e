// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

auto fail_after(int ms, std::string text) {
  return [ms, text] {
    weft::sleep(std::chrono::milliseconds(ms));
    throw std::runtime_error(text);
  };
}

const auto never = [] { weft::sleep(1h); };

std::vector<std::string> reported;
void note(const char*, std::exception_ptr error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    reported.emplace_back(e.what());
  } catch (...) {
    reported.emplace_back("?");
  }
}

TEST(task_group, join_waits_for_all) {
  weft::task_group group;
  int done = 0;
  auto a = group.spawn(
      [&](int n) {
        weft::sleep(4ms);
        ++done;
        return n;
      },
      5);
  auto b = group.spawn({.name = "named"}, [&] { ++done; });
  EXPECT_EQ(group.size(), 2u);
  EXPECT_EQ(b.name(), "named");
  group.join();
  EXPECT_EQ(done, 2);
  EXPECT_EQ(group.size(), 0u);
  EXPECT_EQ(a.get(), 5);
  group.join(); // again: nothing to wait for
}

TEST(task_group, of_nothing) {
  weft::task_group group;
  EXPECT_TRUE(group.join(0s));
  group.join();
}

TEST(task_group, first_failure_cancels_the_siblings_and_is_thrown) {
  weft::task_group group;
  auto a = group.spawn(never);
  group.spawn(fail_after(2, "first"));
  auto b = group.spawn([] {
    try {
      weft::sleep(1h);
    } catch (const weft::cancelled&) {
      weft::sleep(4ms); // join waits for it
    }
    return 1;
  });
  try {
    group.join();
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "first");
  }
  EXPECT_TRUE(a.was_cancelled());
  EXPECT_EQ(b.get(), 1);
  EXPECT_THROW(group.join(), std::runtime_error); // as get(): as often as asked
}

TEST(task_group, several_failures_come_together) {
  weft::task_group group;
  auto also = [](const char* text) {
    return [text] {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
      }
      throw std::out_of_range(text);
    };
  };
  group.spawn(also("second"));
  group.spawn(fail_after(2, "first"));
  group.spawn(also("third"));
  group.spawn(never);
  try {
    group.join();
    FAIL();
  } catch (const weft::exception_group& e) {
    ASSERT_EQ(e.errors().size(), 3u);
    EXPECT_THROW(std::rethrow_exception(e.errors()[0]), std::runtime_error);
    EXPECT_THROW(std::rethrow_exception(e.errors()[1]), std::out_of_range);
    EXPECT_STREQ(e.what(), "weft: 3 tasks of a group failed: std::runtime_error: first; "
                           "std::out_of_range: second; std::out_of_range: third");
  }
}

TEST(task_group, a_cancelled_child_is_no_failure) {
  weft::task_group group;
  auto victim = group.spawn(never);
  auto other = group.spawn([] {
    weft::sleep(4ms);
    return 2;
  });
  weft::yield();
  victim.cancel();
  group.join();
  EXPECT_EQ(other.get(), 2);
}

TEST(task_group, a_child_may_spawn_into_the_group) {
  weft::task_group group;
  int leaves = 0;
  std::function<void(int)> grow = [&](int depth) {
    weft::yield();
    if (depth == 0) {
      ++leaves;
      return;
    }
    group.spawn(grow, depth - 1);
    group.spawn(grow, depth - 1);
  };
  group.spawn(grow, 6);
  group.join();
  EXPECT_EQ(leaves, 64);
  EXPECT_THROW(group.spawn([] {}), std::logic_error);
}

TEST(task_group, spawned_after_the_first_failure_it_never_runs) {
  weft::task_group group;
  bool ran = false;
  group.spawn(fail_after(0, "early"));
  weft::sleep(2ms);
  auto late = group.spawn([&] { ran = true; });
  EXPECT_THROW(group.join(), std::runtime_error);
  EXPECT_TRUE(late.was_cancelled());
  EXPECT_FALSE(ran);
}

TEST(task_group, destroyed_without_join_it_cancels_waits_and_throws_nothing) {
  bool ended = false;
  weft::any_task child;
  auto scope = [&](bool fail) {
    weft::task_group group;
    child = group.spawn([&] {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        weft::sleep(4ms);
        ended = true;
        throw;
      }
    });
    weft::yield();
    if (fail) throw std::out_of_range("body");
  };
  scope(false);
  EXPECT_TRUE(ended);
  EXPECT_TRUE(child.was_cancelled());
  ended = false;
  EXPECT_THROW(scope(true), std::out_of_range);
  EXPECT_TRUE(ended);
}

TEST(task_group, failures_that_nobody_joined_are_reported) {
  const auto before = weft::set_error_handler(&note);
  reported.clear();
  {
    weft::task_group group;
    group.spawn(fail_after(0, "unseen"));
    weft::sleep(2ms);
  }
  EXPECT_EQ(reported, std::vector<std::string>{"unseen"});
  reported.clear();
  {
    weft::task_group group;
    group.spawn(fail_after(0, "seen"));
    EXPECT_THROW(group.join(), std::runtime_error);
  }
  EXPECT_TRUE(reported.empty());
  weft::set_error_handler(before);
}

TEST(task_group, cancelling_who_joins_cancels_the_children) {
  weft::task<void> child;
  bool ended = false;
  auto parent = weft::spawn([&] {
    weft::task_group group;
    child = group.spawn([&] {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        weft::sleep(4ms);
        ended = true;
        throw;
      }
    });
    try {
      group.join();
      ADD_FAILURE();
    } catch (const weft::cancelled&) {
      EXPECT_TRUE(ended);
      throw;
    }
  });
  weft::sleep(1ms);
  parent.kill();
  EXPECT_TRUE(parent.was_cancelled());
  EXPECT_TRUE(child.was_cancelled());
}

TEST(task_group, failures_come_before_the_joiner_s_cancellation_which_stays_pending) {
  std::string seen;
  auto parent = weft::spawn([&] {
    weft::task_group group;
    group.spawn([] {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
      }
      throw std::runtime_error("while ending");
    });
    try {
      group.join();
    } catch (const std::runtime_error& e) {
      seen = e.what();
    }
    weft::sleep(1h);
  });
  weft::sleep(1ms);
  parent.kill();
  EXPECT_EQ(seen, "while ending");
  EXPECT_TRUE(parent.was_cancelled());
}

TEST(task_group, join_with_a_limit) {
  weft::task_group group;
  auto t = group.spawn([] { weft::sleep(10ms); });
  EXPECT_FALSE(group.join(1ms));
  EXPECT_FALSE(t.done());
  auto more = group.spawn([] { return 1; });
  EXPECT_TRUE(group.join(10s));
  EXPECT_EQ(more.get(), 1);
  weft::task_group failing;
  failing.spawn(fail_after(4, "late"));
  EXPECT_FALSE(failing.join(0s));
  EXPECT_THROW(failing.join(10s), std::runtime_error);
}

TEST(task_group, cancel) {
  weft::task_group group;
  auto a = group.spawn(never);
  int requests = 0;
  auto stubborn = group.spawn([&] {
    while (requests < 2)
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        ++requests;
      }
  });
  weft::yield();
  group.cancel();
  weft::yield();
  EXPECT_EQ(requests, 1);
  group.cancel();
  group.join();
  EXPECT_EQ(requests, 2);
  EXPECT_TRUE(a.was_cancelled());
}

TEST(task_group, nests_and_fails_upwards) {
  weft::task<void> leaf;
  weft::task_group outer;
  outer.spawn([&] {
    weft::task_group inner;
    leaf = inner.spawn(never);
    inner.join();
  });
  outer.spawn(fail_after(2, "outer"));
  EXPECT_THROW(outer.join(), std::runtime_error);
  EXPECT_TRUE(leaf.was_cancelled());
}

TEST(task_group, a_timeout_scope_around_join_cancels_the_children) {
  weft::spawn([] {
    weft::timeout_scope limit{5ms};
    weft::task_group group;
    auto child = group.spawn(never);
    EXPECT_THROW(group.join(), weft::timeout_expired);
    EXPECT_TRUE(child.was_cancelled());
  }).get();
}

TEST(task_group, misuse) {
  weft::task_group group;
  auto child = group.spawn([&] { EXPECT_THROW(group.join(), weft::deadlock_error); });
  group.join();
  child.get();
  weft::task_group other;
  bool refused = false;
  auto t = other.spawn([] { weft::sleep(2ms); });
  weft::call_later(0ms, [&] {
    try {
      other.join();
    } catch (const std::logic_error&) {
      refused = true;
    }
  });
  other.join();
  EXPECT_TRUE(refused);
  int (*null)() = nullptr;
  weft::task_group third;
  EXPECT_THROW(third.spawn(null), std::invalid_argument);
  third.join();
}

TEST(task_group, destroyed_in_a_callback_it_only_cancels) {
  auto group = std::make_unique<weft::task_group>();
  auto child = group->spawn(never);
  weft::call_later(0ms, [&] { group.reset(); });
  child.join();
  EXPECT_TRUE(child.was_cancelled());
  EXPECT_EQ(group, nullptr);
}

// From other threads --------------------------------------------------------

TEST(task_group_threads, children_on_several_hubs) {
  for (int i = 0; i < 50; ++i) {
    std::atomic<int> ran{0};
    weft::task_group group;
    group.spawn([&] { ++ran; });
    std::thread other([&] {
      group.spawn([&] {
        weft::sleep(1ms);
        ++ran;
      });
      weft::spawn([&] { group.spawn([&] { ++ran; }); }).join();
    });
    while (group.size() == 0 && ran == 0)
      weft::yield();
    weft::sleep(500us);
    other.join(); // whose hub ends its fibers: cancelled, or done
    group.join();
    EXPECT_GE(ran, 2);
  }
}

TEST(task_group_threads, a_failure_cancels_across_hubs) {
  for (int i = 0; i < 50; ++i) {
    weft::task_group group;
    auto own = group.spawn(never);
    std::thread other([&] {
      auto t = group.spawn(fail_after(0, "elsewhere"));
      t.join();
    });
    EXPECT_THROW(group.join(), std::runtime_error);
    EXPECT_TRUE(own.was_cancelled());
    other.join();
  }
}

TEST(task_group_threads, on_a_thread_that_joins_children_of_a_hub) {
  for (int i = 0; i < 50; ++i) {
    weft::task_group group;
    group.spawn([] { weft::sleep(1ms); });
    weft::promise<void> joined;
    std::thread bare([&] {
      group.join();
      EXPECT_FALSE(weft::current().valid());
      joined.set_value();
    });
    joined.get_future().get();
    bare.join();
  }
}

} // namespace
