// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(promise, settable_once) {
  weft::promise<int> p;
  auto f = p.get_future();
  EXPECT_FALSE(f.done());
  EXPECT_EQ(f.try_get(), std::nullopt);
  p.set_value(3);
  EXPECT_TRUE(p.done());
  EXPECT_EQ(f.get(), 3);
  EXPECT_EQ(f.try_get(), std::optional(3));
  EXPECT_THROW(p.set_value(4), weft::future_error);
  EXPECT_THROW(p.set_exception(std::out_of_range("x")), weft::future_error);
  EXPECT_FALSE(p.cancel());
  EXPECT_FALSE(f.cancel());
  EXPECT_EQ(f.get(), 3);
}

TEST(promise, exceptions) {
  weft::promise<int> p;
  EXPECT_THROW(p.set_exception(std::exception_ptr()), weft::future_error);
  p.set_exception(std::out_of_range("x"));
  auto f = p.get_future();
  EXPECT_THROW(f.get(), std::out_of_range);
  EXPECT_THROW((void)f.try_get(), std::out_of_range);
  EXPECT_THROW(std::rethrow_exception(f.exception()), std::out_of_range);
}

TEST(promise, a_value_that_cannot_be_made_leaves_it_unset) {
  struct picky {
    explicit picky(int n) {
      if (n < 0) throw std::out_of_range("negative");
    }
  };
  weft::promise<picky> p;
  EXPECT_THROW(p.set_value(-1), std::out_of_range);
  EXPECT_FALSE(p.done());
  p.set_value(1);
  EXPECT_TRUE(p.get_future().done());
}

TEST(promise, cancelled_by_either_end) {
  weft::promise<int> p;
  auto f = p.get_future();
  EXPECT_TRUE(f.cancel());
  EXPECT_TRUE(f.was_cancelled());
  EXPECT_THROW(f.get(), weft::task_cancelled);
  EXPECT_THROW(p.set_value(1), weft::future_error);
  weft::promise<int> q;
  EXPECT_TRUE(q.cancel());
  EXPECT_TRUE(q.get_future().was_cancelled());
}

TEST(promise, broken) {
  weft::future<int> f;
  {
    weft::promise<int> p;
    f = p.get_future();
    weft::promise<int> moved(std::move(p));
    EXPECT_FALSE(f.done());
    EXPECT_THROW((void)p.get_future(), weft::future_error);
  }
  EXPECT_THROW(f.get(), weft::broken_promise);
}

TEST(promise, move_assignment_breaks_the_old_one) {
  weft::promise<int> a;
  weft::promise<int> b;
  auto fa = a.get_future();
  auto fb = b.get_future();
  a = std::move(b);
  EXPECT_TRUE(fa.done());
  EXPECT_FALSE(fb.done());
  a.set_value(1);
  EXPECT_EQ(fb.get(), 1);
}

TEST(promise, void_reference_move_only_and_large) {
  weft::promise<void> v;
  EXPECT_FALSE(v.get_future().try_get());
  v.set_value();
  v.get_future().get();
  EXPECT_TRUE(v.get_future().try_get());

  int n = 1;
  weft::promise<int&> r;
  EXPECT_EQ(r.get_future().try_get(), nullptr);
  r.set_value(n);
  r.get_future().get() = 2;
  EXPECT_EQ(n, 2);

  weft::promise<std::unique_ptr<int>> m;
  m.set_value(std::make_unique<int>(4));
  auto f = m.get_future();
  EXPECT_EQ(*f.get(), 4);
  const std::unique_ptr<int> out = m.get_future().get(); // of an rvalue: taken out
  EXPECT_EQ(*out, 4);
  EXPECT_EQ(f.get(), nullptr);

  weft::promise<std::array<int, 100>> large;
  large.set_value(std::array<int, 100>{1, 2, 3});
  EXPECT_EQ(large.get_future().get()[2], 3);

  weft::promise<std::string> text;
  text.set_value(3, 'x');
  EXPECT_EQ(text.get_future().get(), "xxx");
}

TEST(promise, waiters_resume_in_order) {
  weft::promise<int> p;
  std::vector<int> order;
  std::vector<weft::task<void>> waiters;
  for (int i = 0; i < 5; ++i)
    waiters.push_back(weft::spawn([&, i] {
      p.get_future().wait();
      order.push_back(i);
    }));
  weft::yield();
  p.set_value(0);
  weft::joinall(waiters);
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
}

TEST(promise, wait_for_times_out_and_stays_usable) {
  weft::promise<int> p;
  auto f = p.get_future();
  EXPECT_FALSE(f.wait_for(5ms));
  EXPECT_FALSE(f.wait_for(0s));
  EXPECT_FALSE(f.wait_for(-1s));
  p.set_value(1);
  EXPECT_TRUE(f.wait_for(0s));
}

// From any thread ------------------------------------------------------------

TEST(promise_threads, set_by_a_kernel_thread) {
  for (int i = 0; i < 200; ++i) {
    weft::promise<std::string> p;
    auto f = p.get_future();
    std::thread setter([p = std::move(p), i]() mutable {
      if (i % 3 == 0) std::this_thread::yield();
      p.set_value("value " + std::to_string(i));
    });
    EXPECT_EQ(f.get(), "value " + std::to_string(i));
    setter.join();
  }
}

TEST(promise_threads, set_by_a_fiber_of_another_hub) {
  weft::promise<int> there;
  weft::promise<int> back;
  std::thread other(
      [&] { weft::spawn([&] { back.set_value(there.get_future().get() + 1); }).join(); });
  auto t = weft::spawn([&] {
    there.set_value(1);
    return back.get_future().get();
  });
  EXPECT_EQ(t.get(), 2);
  other.join();
}

TEST(promise_threads, made_and_used_without_a_hub) {
  std::thread([] {
    weft::promise<int> p;
    auto f = p.get_future();
    EXPECT_FALSE(f.wait_for(2ms));
    std::thread setter([&] { p.set_value(5); });
    EXPECT_EQ(f.get(), 5);
    setter.join();
    EXPECT_FALSE(weft::current().valid());
  }).join();
}

TEST(promise_threads, only_one_of_many_setters_wins) {
  for (int round = 0; round < 50; ++round) {
    weft::promise<int> p;
    auto f = p.get_future();
    std::atomic<int> won{0};
    std::vector<std::thread> setters;
    for (int i = 0; i < 4; ++i)
      setters.emplace_back([&, i] {
        try {
          if (i == 3) {
            if (p.cancel()) ++won;
          } else {
            p.set_value(i);
            ++won;
          }
        } catch (const weft::future_error&) {
        }
      });
    f.wait();
    for (auto& s : setters)
      s.join();
    EXPECT_EQ(won, 1);
  }
}

TEST(promise_threads, many_waiters_everywhere) {
  weft::promise<int> p;
  auto f = p.get_future();
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&, f] { sum += f.get(); });
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&, f] {
      auto a = weft::spawn([f] { return f.get(); });
      auto b = weft::spawn([f] { return f.get(); });
      sum += a.get() + b.get();
    });
  auto own = weft::spawn([f] { return f.get(); });
  weft::sleep(5ms);
  p.set_value(1);
  sum += own.get();
  for (auto& t : threads)
    t.join();
  EXPECT_EQ(sum, 7);
}

TEST(promise_threads, a_time_out_races_with_the_setter) {
  for (int i = 0; i < 300; ++i) {
    weft::promise<int> p;
    auto f = p.get_future();
    std::thread setter([&] { p.set_value(i); });
    const bool in_fiber = i % 2 == 0;
    const auto limit = std::chrono::microseconds(i % 60);
    auto wait = [&] {
      if (f.wait_for(limit)) {
        EXPECT_EQ(f.get(), i);
      }
    };
    if (in_fiber)
      weft::spawn(wait).join();
    else
      std::thread(wait).join();
    setter.join();
    EXPECT_EQ(f.get(), i);
  }
}

TEST(task_threads, joined_from_threads_and_hubs) {
  for (int i = 0; i < 100; ++i) {
    auto t = weft::spawn([i] {
      if (i % 2) weft::sleep(100us);
      return i;
    });
    std::atomic<int> sum{0};
    std::thread bare([&, t] { sum += t.get(); });
    std::thread hub([&, t] { sum += weft::spawn([t] { return t.get(); }).get(); });
    EXPECT_EQ(t.get(), i);
    bare.join();
    hub.join();
    EXPECT_EQ(sum, 2 * i);
  }
}

TEST(task_threads, handles_are_counted_across_threads) {
  struct counted {
    std::shared_ptr<std::atomic<int>> dead;
    explicit counted(std::shared_ptr<std::atomic<int>> d) : dead(std::move(d)) {}
    counted(counted&& other) noexcept : dead(std::move(other.dead)) {}
    ~counted() {
      if (dead) ++*dead;
    }
  };
  auto dead = std::make_shared<std::atomic<int>>(0);
  constexpr int rounds = 300;
  for (int i = 0; i < rounds; ++i) {
    auto t = weft::spawn([&] { return counted(dead); });
    std::vector<std::thread> threads;
    for (int k = 0; k < 3; ++k)
      threads.emplace_back([t, k]() mutable {
        auto copy = t;
        if (k == 1) t.join();
        auto more = copy;
        copy = {};
        t = {};
      });
    auto local = t;
    t = {};
    local.join(); // the threads wait for it: this thread may not block before
    local = {};
    for (auto& thread : threads)
      thread.join();
    weft::yield();
  }
  weft::sleep(5ms);
  EXPECT_EQ(*dead, rounds);
}

TEST(task_threads, handles_moved_away_and_dropped_elsewhere) {
  for (int i = 0; i < 200; ++i) {
    std::vector<weft::task<int>> tasks;
    for (int k = 0; k < 10; ++k)
      tasks.push_back(weft::spawn([k] { return k; }));
    auto copies = tasks;
    std::thread dropper([moved = std::move(tasks)]() mutable { moved.clear(); });
    std::thread dropper2([moved = std::move(copies)]() mutable {
      for (auto& t : moved)
        t.join();
      moved.clear();
    });
    weft::sleep(200us);
    dropper.join();
    dropper2.join();
  }
}

TEST(task_threads, hub_ends_while_others_hold_handles) {
  for (int i = 0; i < 100; ++i) {
    std::vector<weft::task<std::string>> tasks;
    std::thread owner([&] {
      for (int k = 0; k < 5; ++k)
        tasks.push_back(weft::spawn([k] {
          weft::sleep(std::chrono::microseconds(k * 20));
          return std::string(40, static_cast<char>('a' + k));
        }));
      auto copy = tasks;
      copy[2].join();
    });
    owner.join();
    std::thread a([copy = tasks] {
      for (auto& t : copy)
        t.join();
    });
    std::thread b([copy = std::move(tasks)]() mutable { copy.clear(); });
    a.join();
    b.join();
  }
}

} // namespace
