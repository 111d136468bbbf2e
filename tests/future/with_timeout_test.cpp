// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

weft::task<int> after(int ms) {
  return weft::spawn([ms] {
    weft::sleep(std::chrono::milliseconds(ms));
    return ms;
  });
}

TEST(with_timeout, the_result_if_it_comes_in_time) {
  EXPECT_EQ(weft::with_timeout(1s, after(2)), 2);
  EXPECT_EQ(weft::with_timeout(
                1s, [](int n) { return n; }, 3),
            3);
  EXPECT_EQ(*weft::with_timeout(1s, [] { return std::make_unique<int>(4); }), 4);
  weft::with_timeout(1s, [] {});
  auto t = after(1);
  static_assert(std::is_same_v<decltype(weft::with_timeout(1s, t)), const int&>);
  EXPECT_EQ(weft::with_timeout(std::chrono::steady_clock::now() + 1s, t), 1);
  EXPECT_THROW(weft::with_timeout(1s, [] { throw std::out_of_range("x"); }), std::out_of_range);
  weft::with_timeout(1s, weft::any_task(t));
}

TEST(with_timeout, cancels_waits_for_the_end_and_throws) {
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
  EXPECT_THROW(weft::with_timeout(2ms, slow), weft::timeout_error);
  EXPECT_TRUE(ended);
  EXPECT_TRUE(slow.was_cancelled());
  EXPECT_THROW(weft::with_timeout(2ms, [] { weft::sleep(1h); }), weft::timeout_error);
}

TEST(with_timeout, a_swallowed_request_gives_the_value_and_its_own_exception_propagates) {
  auto swallow = [](bool fail) {
    try {
      weft::sleep(1h);
    } catch (const weft::cancelled&) {
      if (fail) throw std::out_of_range("while ending");
    }
    return 7;
  };
  EXPECT_EQ(weft::with_timeout(2ms, swallow, false), 7);
  EXPECT_THROW(weft::with_timeout(2ms, swallow, true), std::out_of_range);
}

TEST(with_timeout, cancelled_in_time_by_somebody_else) {
  auto t = after(1000);
  weft::call_later(1ms, [t] { t.cancel(); });
  EXPECT_THROW(weft::with_timeout(10s, t), weft::task_cancelled);
}

TEST(with_timeout, zero_and_less) {
  bool ran = false;
  EXPECT_THROW(weft::with_timeout(0s, [&] { ran = true; }), weft::timeout_error);
  EXPECT_THROW(weft::with_timeout(-1s, [&] { ran = true; }), weft::timeout_error);
  EXPECT_FALSE(ran);
  auto done = after(0);
  done.join();
  EXPECT_EQ(weft::with_timeout(-1s, done), 0);
}

TEST(with_timeout, of_a_future_without_a_fiber) {
  weft::promise<int> p;
  EXPECT_THROW(weft::with_timeout(1ms, p.get_future()), weft::timeout_error);
  EXPECT_TRUE(p.get_future().was_cancelled());
}

TEST(with_timeout, passes_the_caller_s_cancellation_on_and_waits) {
  bool ended = false;
  bool after_inner = false;
  auto inner = weft::spawn([&] {
    try {
      weft::sleep(1h);
    } catch (const weft::cancelled&) {
      weft::sleep(5ms);
      ended = true;
      throw;
    }
  });
  auto outer = weft::spawn([&] {
    try {
      weft::with_timeout(10s, inner);
    } catch (const weft::cancelled&) {
      after_inner = ended;
      throw;
    }
  });
  weft::sleep(1ms);
  outer.kill();
  EXPECT_TRUE(outer.was_cancelled());
  EXPECT_TRUE(inner.was_cancelled());
  EXPECT_TRUE(after_inner);
}

TEST(with_timeout, the_caller_s_cancellation_counts_while_the_expired_one_ends) {
  auto outer = weft::spawn([] {
    weft::with_timeout(1ms, [] {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        weft::sleep(10ms);
        throw;
      }
    });
  });
  weft::sleep(5ms);
  outer.cancel();
  outer.join();
  EXPECT_TRUE(outer.was_cancelled());
}

TEST(with_timeout, nests) {
  bool inner_expired = false;
  EXPECT_THROW(weft::with_timeout(5ms,
                                  [&] {
                                    try {
                                      weft::with_timeout(10s, [] { weft::sleep(1h); });
                                    } catch (const weft::timeout_error&) {
                                      inner_expired = true;
                                    }
                                  }),
               weft::timeout_error);
  EXPECT_FALSE(inner_expired);
  EXPECT_EQ(weft::with_timeout(10s,
                               [&] {
                                 try {
                                   weft::with_timeout(1ms, [] { weft::sleep(1h); });
                                 } catch (const weft::timeout_error&) {
                                   return 1;
                                 }
                                 return 2;
                               }),
            1);
}

TEST(with_timeout, a_scope_around_is_not_lost) {
  weft::spawn([] {
    weft::timeout_scope limit{5ms};
    try {
      weft::with_timeout(10s, [] { weft::sleep(1h); });
      ADD_FAILURE();
    } catch (const weft::timeout_expired& e) {
      EXPECT_EQ(e.scope(), &limit);
    }
  }).get();
  weft::spawn([] {
    weft::timeout_scope limit{300ms};
    EXPECT_THROW(weft::with_timeout(2ms, [] { weft::sleep(1h); }), weft::timeout_error);
    EXPECT_THROW(weft::sleep(1h), weft::timeout_expired);
  }).get();
}

TEST(with_timeout, of_gather_cancels_the_children) {
  auto a = after(1000);
  EXPECT_THROW(weft::with_timeout(2ms, weft::gather(a, after(1000))), weft::timeout_error);
  EXPECT_TRUE(a.was_cancelled());
}

TEST(with_timeout, of_shield_leaves_the_task_alone) {
  auto saved = after(10);
  EXPECT_THROW(weft::with_timeout(1ms, weft::shield(saved)), weft::timeout_error);
  EXPECT_FALSE(saved.done());
  EXPECT_EQ(saved.get(), 10);
  EXPECT_EQ(weft::with_timeout(1s, weft::shield(after(1))), 1);
}

TEST(with_timeout, on_a_thread_without_a_hub_and_across_hubs) {
  for (int i = 0; i < 50; ++i) {
    auto quick = after(1);
    auto slow = after(1000);
    std::thread bare([&] {
      EXPECT_EQ(weft::with_timeout(10s, quick), 1);
      EXPECT_FALSE(weft::current().valid());
    });
    std::thread hub([&] {
      weft::spawn([&] { EXPECT_THROW(weft::with_timeout(1ms, slow), weft::timeout_error); }).get();
    });
    slow.join();
    quick.join();
    bare.join();
    hub.join();
  }
}

TEST(with_timeout, misuse) {
  EXPECT_THROW(weft::with_timeout(1s, weft::task<int>()), weft::future_error);
  weft::spawn([] {
    EXPECT_THROW(weft::with_timeout(1s, weft::current()), weft::deadlock_error);
  }).get();
  bool refused = false;
  bool ran = false;
  weft::promise<void> called;
  weft::call_later(0ms, [&] {
    try {
      weft::with_timeout(1s, [&] { ran = true; });
    } catch (const std::logic_error&) {
      refused = true;
    }
    called.set_value();
  });
  called.get_future().get();
  weft::yield();
  EXPECT_TRUE(refused);
  EXPECT_FALSE(ran);
}

} // namespace
