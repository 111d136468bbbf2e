// SPDX-License-Identifier: BSL-1.0
#include "weft/coroutine.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

/// A coroutine of somebody else's: eager, keeps nothing, destroyed by whoever has it.
struct detached {
  struct promise_type {
    detached get_return_object() {
      return detached(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    static std::suspend_never initial_suspend() { return {}; }
    static std::suspend_always final_suspend() noexcept { return {}; }
    static void return_void() {}
    static void unhandled_exception() { std::terminate(); }
  };
  explicit detached(std::coroutine_handle<promise_type> c) : coroutine(c) {}
  detached(detached&& other) noexcept : coroutine(std::exchange(other.coroutine, nullptr)) {}
  detached& operator=(detached&&) = delete;
  ~detached() { destroy(); }
  void destroy() {
    if (coroutine) std::exchange(coroutine, nullptr).destroy();
  }
  [[nodiscard]] bool done() const { return coroutine.done(); }
  std::coroutine_handle<promise_type> coroutine;
};

/// Lets fibers run until it is at its end, for as long as a busy machine may take.
void wait_for(const detached& c) {
  for (int i = 0; i < 20'000 && !c.done(); ++i)
    weft::sleep(1ms);
  EXPECT_TRUE(c.done());
}

// co_await of a future ------------------------------------------------------

TEST(co_await, gives_the_result_of_a_task) {
  std::string out;
  auto c = [](std::string& log) -> detached {
    const int n = co_await weft::spawn([] {
      weft::sleep(1ms);
      return 20;
    });
    log += std::to_string(n);
    co_await weft::spawn([] {});
    log += ".";
  }(out);
  EXPECT_EQ(out, "");
  wait_for(c);
  EXPECT_EQ(out, "20.");
}

TEST(co_await, of_what_is_done_goes_on_at_once) {
  weft::promise<std::unique_ptr<int>> p;
  p.set_value(std::make_unique<int>(3));
  int got = 0;
  auto c = [](weft::future<std::unique_ptr<int>> f, int& n) -> detached {
    const std::unique_ptr<int>& shared = co_await f; // an lvalue's stays in the future
    n = *shared;
    const std::unique_ptr<int> mine = co_await std::move(f); // an rvalue's is moved out
    n += *mine;
  }(p.get_future(), got);
  EXPECT_TRUE(c.done());
  EXPECT_EQ(got, 6);
}

TEST(co_await, rethrows_and_tells_of_cancellation) {
  std::string out;
  auto c = [](std::string& log) -> detached {
    try {
      co_await weft::spawn([]() -> int { throw std::runtime_error("failed"); });
    } catch (const std::runtime_error& e) {
      log += e.what();
    }
    auto t = weft::spawn([] { weft::sleep(1h); });
    t.cancel();
    try {
      co_await t;
    } catch (const weft::task_cancelled&) {
      log += " cancelled";
    }
    weft::any_task any = weft::spawn([] { return 1; });
    co_await any;
    log += " any";
  }(out);
  wait_for(c);
  EXPECT_EQ(out, "failed cancelled any");
}

TEST(co_await, goes_on_in_a_fiber_of_the_hub_where_it_may_block) {
  weft::promise<int> p;
  std::thread::id went_on;
  bool slept = false;
  auto c = [](weft::future<int> f, std::thread::id& where, bool& blocked) -> detached {
    co_await f;
    where = std::this_thread::get_id();
    EXPECT_TRUE(weft::current().valid());
    weft::sleep(2ms);
    blocked = true;
  }(p.get_future(), went_on, slept);
  weft::spawn([] {}).join(); // this thread has a hub
  std::thread([&] { p.set_value(1); }).join();
  EXPECT_FALSE(c.done());
  wait_for(c);
  EXPECT_TRUE(slept);
  EXPECT_EQ(went_on, std::this_thread::get_id());
}

TEST(co_await, keeps_what_was_inherited) {
  weft::inherited_local<int> value(0);
  weft::promise<void> p;
  int seen = -1;
  auto c = [](weft::future<void> f, weft::inherited_local<int>& v, int& s) -> detached {
    co_await f;
    s = *v;
  }(p.get_future(), value, seen);
  {
    const auto other = value.set_scoped(7);
    p.set_value(); // the setter's is not the coroutine's
    weft::yield();
    weft::yield();
  }
  EXPECT_TRUE(c.done());
  EXPECT_EQ(seen, 0);
}

TEST(co_await, without_a_hub_goes_on_where_it_is_completed) {
  weft::promise<int> p;
  std::thread::id went_on;
  std::unique_ptr<detached> c;
  std::thread([&] {
    c = std::make_unique<detached>([](weft::future<int> f, std::thread::id& where) -> detached {
      co_await f;
      where = std::this_thread::get_id();
    }(p.get_future(), went_on));
  }).join();
  std::thread completes([&] { p.set_value(1); });
  const auto id = completes.get_id();
  completes.join();
  EXPECT_TRUE(c->done());
  EXPECT_EQ(went_on, id);
}

TEST(co_await, when_its_hub_has_ended_goes_on_where_it_is_completed) {
  weft::promise<int> p;
  std::unique_ptr<detached> c;
  bool on = false;
  std::thread([&] {
    weft::spawn([&] {
      c = std::make_unique<detached>([](weft::future<int> f, bool& o) -> detached {
        co_await f;
        o = true;
      }(p.get_future(), on));
    }).join();
  }).join();
  EXPECT_FALSE(on);
  std::thread([&] { p.set_value(1); }).join();
  EXPECT_TRUE(on);
}

TEST(co_await, goes_on_when_its_thread_ends_meanwhile) {
  bool cancelled = false;
  std::unique_ptr<detached> c;
  std::thread([&] {
    weft::spawn([&] {
      c = std::make_unique<detached>([](bool& seen) -> detached {
        try {
          co_await weft::spawn([] { weft::sleep(1h); });
        } catch (const weft::task_cancelled&) {
          seen = true;
        }
      }(cancelled));
    }).join();
    weft::yield();
  }).join();
  EXPECT_TRUE(cancelled);
}

TEST(co_await, one_destroyed_while_it_waits_is_not_resumed) {
  weft::spawn([] {}).join();
  weft::promise<int> p;
  int resumed = 0;
  auto wait = [&] {
    return [](weft::future<int> f, int& n) -> detached {
      co_await f;
      ++n;
    }(p.get_future(), resumed);
  };
  { auto before = wait(); }
  auto queued = wait();
  auto kept = wait();
  p.set_value(1);
  queued.destroy(); // its resumption is on its way
  wait_for(kept);
  EXPECT_EQ(resumed, 1);

  weft::promise<int> q;
  auto in_inbox = [](weft::future<int> f, int& n) -> detached {
    co_await f;
    ++n;
  }(q.get_future(), resumed);
  std::thread([&] { q.set_value(1); }).join();
  in_inbox.destroy();
  weft::sleep(2ms);
  EXPECT_EQ(resumed, 1);
}

TEST(co_await, of_an_empty_handle_is_refused) {
  auto c = []() -> detached {
    weft::future<int> none;
    EXPECT_THROW(co_await none, weft::future_error);
  }();
  EXPECT_TRUE(c.done());
}

TEST(co_await, a_thousand_on_one_future) {
  weft::spawn([] {}).join();
  weft::promise<int> p;
  std::vector<int> order;
  std::vector<detached> many;
  for (int i = 0; i < 1000; ++i)
    many.push_back([](weft::future<int> f, std::vector<int>& o, int me) -> detached {
      co_await f;
      o.push_back(me);
    }(p.get_future(), order, i));
  p.set_value(0);
  weft::sleep(2ms);
  ASSERT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

// co_task ----------------------------------------------------------------------

weft::co_task<int> add(weft::future<int> a, weft::future<int> b) {
  co_return co_await a + co_await b;
}
weft::co_task<int> twice(weft::co_task<int> inner) {
  co_return 2 * co_await std::move(inner);
}

TEST(co_task, runs_when_awaited) {
  auto a = weft::spawn([] {
    weft::sleep(1ms);
    return 1;
  });
  auto b = weft::spawn([] { return 2; });
  EXPECT_EQ(weft::await(twice(add(a, b))), 6);
  auto t = weft::spawn(twice(add(a, b)));
  EXPECT_EQ(t.get(), 6);
  bool ran = false;
  {
    auto never = [](bool& r) -> weft::co_task<> {
      r = true;
      co_return;
    }(ran);
  }
  EXPECT_FALSE(ran);
}

TEST(co_task, works_without_a_hub) {
  int got = 0;
  std::thread([&] {
    weft::promise<int> p;
    std::thread sets([&] {
      std::this_thread::sleep_for(2ms);
      p.set_value(4);
    });
    got = weft::await(twice(add(p.get_future(), p.get_future())));
    EXPECT_FALSE(weft::current().valid());
    sets.join();
  }).join();
  EXPECT_EQ(got, 16);
}

TEST(co_task, rethrows) {
  auto fails = []() -> weft::co_task<int> {
    co_await weft::spawn([] { weft::yield(); });
    throw std::runtime_error("deep");
  };
  EXPECT_THROW(weft::await(twice(fails())), std::runtime_error);
  auto move_only = []() -> weft::co_task<std::unique_ptr<int>> {
    co_return std::make_unique<int>(5);
  };
  EXPECT_EQ(*weft::await(move_only()), 5);
  int x = 0;
  auto reference = [](int& r) -> weft::co_task<int&> { co_return r; };
  EXPECT_EQ(&weft::await(reference(x)), &x);
}

TEST(co_task, cancelling_the_fiber_cancels_what_the_innermost_awaits) {
  std::string seen;
  auto sleeper = weft::spawn([] { weft::sleep(1h); });
  auto inner = [](weft::task<void> t, std::string& s) -> weft::co_task<int> {
    try {
      co_await t;
    } catch (const weft::cancelled&) {
      s += "inner ";
      throw;
    }
    co_return 1;
  };
  auto outer = [](weft::co_task<int> i, std::string& s) -> weft::co_task<int> {
    try {
      co_return co_await std::move(i);
    } catch (const weft::cancelled&) {
      s += "outer";
      throw;
    }
  };
  auto t = weft::spawn(outer(inner(sleeper, seen), seen));
  weft::sleep(1ms);
  EXPECT_TRUE(t.cancel());
  t.join();
  EXPECT_TRUE(t.was_cancelled());
  EXPECT_TRUE(sleeper.was_cancelled());
  EXPECT_EQ(seen, "inner outer");
}

TEST(co_task, may_swallow_the_request) {
  auto body = []() -> weft::co_task<int> {
    try {
      co_await weft::spawn([] { weft::sleep(1h); });
    } catch (const weft::cancelled&) {
    }
    co_return 9;
  };
  auto t = weft::spawn(body());
  weft::sleep(1ms);
  t.cancel();
  EXPECT_EQ(t.get(), 9);
}

TEST(co_task, one_cancelled_by_somebody_else_is_task_cancelled_to_who_awaits) {
  auto sleeps = []() -> weft::co_task<int> {
    co_await weft::spawn([] { weft::sleep(1h); });
    co_return 1;
  }();
  bool told = false;
  auto waits = [](weft::co_task<int>& i, bool& t) -> weft::co_task<> {
    try {
      co_await std::move(i);
    } catch (const weft::task_cancelled&) {
      t = true;
    }
  };
  auto t = weft::spawn(waits(sleeps, told));
  weft::sleep(1ms);
  EXPECT_TRUE(sleeps.cancel());
  t.get();
  EXPECT_TRUE(told);
  EXPECT_FALSE(sleeps.cancel()); // at its end
}

TEST(co_task, cancelled_before_it_starts_never_runs) {
  bool ran = false;
  auto c = [](bool& r) -> weft::co_task<> {
    r = true;
    co_return;
  }(ran);
  EXPECT_TRUE(c.cancel());
  EXPECT_THROW(weft::await(std::move(c)), weft::cancelled);
  EXPECT_FALSE(ran);
}

TEST(co_task, a_time_out_cancels_it) {
  auto sleeper = weft::spawn([] { weft::sleep(1h); });
  auto waits = [](weft::task<void> t) -> weft::co_task<> { co_await t; };
  EXPECT_THROW(weft::with_timeout(2ms, waits(sleeper)), weft::timeout_error);
  EXPECT_TRUE(sleeper.was_cancelled());
}

TEST(co_task, is_what_gather_takes) {
  auto value = [](int n) -> weft::co_task<int> {
    co_await weft::spawn([] { weft::yield(); });
    co_return n;
  };
  EXPECT_EQ(weft::gather(value(1), value(2)).get(), (std::tuple<int, int>(1, 2)));
}

TEST(co_task, awaited_twice_is_refused) {
  auto c = []() -> weft::co_task<int> { co_return 1; }();
  EXPECT_EQ(weft::await(std::move(c)), 1);
  EXPECT_THROW(weft::await(std::move(c)), std::logic_error);
  auto moved = std::move(c);
  EXPECT_THROW(weft::await(std::move(c)), std::logic_error);
  EXPECT_FALSE(c.valid());
}

// await in a fiber ---------------------------------------------------------------

/// Somebody else's awaitable: goes on on a thread.
struct on_a_thread {
  static bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> c) {
    thread = std::thread([c, this] {
      std::this_thread::sleep_for(5ms);
      result = 11;
      c.resume();
    });
  }
  [[nodiscard]] int await_resume() const {
    if (fail) throw std::runtime_error("on a thread");
    return result;
  }
  ~on_a_thread() {
    if (thread.joinable()) thread.join();
  }
  std::thread thread;
  int result = 0;
  bool fail = false;
};

TEST(await, parks_the_fiber_until_an_awaitable_is_done) {
  bool other = false;
  auto t = weft::spawn([] {
    on_a_thread a;
    return weft::await(a);
  });
  weft::spawn([&] { other = true; }).join();
  EXPECT_TRUE(other);
  EXPECT_FALSE(t.done());
  EXPECT_EQ(t.get(), 11);
  on_a_thread fails;
  fails.fail = true;
  EXPECT_THROW(weft::await(fails), std::runtime_error);
  weft::await(std::suspend_never{});
}

TEST(await, works_on_a_thread_without_a_hub) {
  int got = 0;
  std::thread([&] {
    on_a_thread a;
    got = weft::await(a);
  }).join();
  EXPECT_EQ(got, 11);
}

TEST(await, cannot_leave_what_cannot_be_cancelled) {
  bool finished = false;
  auto t = weft::spawn([&] {
    on_a_thread a;
    finished = weft::await(a) == 11;
    weft::yield(); // where the request is thrown
    ADD_FAILURE() << "not cancelled";
  });
  weft::yield();
  t.kill();
  EXPECT_TRUE(finished);
  EXPECT_TRUE(t.was_cancelled());
}

/// One that can be cancelled.
struct manual {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> c) { waiting = c; }
  void await_resume() const {
    if (stopped) throw weft::task_cancelled("stopped");
  }
  void cancel() {
    stopped = true;
    waiting.resume();
  }
  std::coroutine_handle<> waiting;
  bool stopped = false;
};

TEST(await, passes_cancellation_on) {
  auto t = weft::spawn([] {
    manual m;
    weft::await(m);
  });
  weft::yield();
  t.kill();
  EXPECT_TRUE(t.was_cancelled());

  auto sleeper = weft::spawn([] { weft::sleep(1h); });
  auto waits = weft::spawn([&] { weft::await(sleeper); });
  weft::sleep(1ms);
  waits.kill();
  EXPECT_TRUE(waits.was_cancelled());
  EXPECT_TRUE(sleeper.was_cancelled()); // get() would have left it alone

  auto stubborn = weft::spawn([] {
    try {
      weft::sleep(1h);
    } catch (const weft::cancelled&) {
    }
    return 3;
  });
  auto gets = weft::spawn([&] { return weft::await(stubborn); });
  weft::sleep(1ms);
  gets.cancel();
  EXPECT_EQ(gets.get(), 3);
}

TEST(await, of_a_task_that_somebody_else_cancels_is_task_cancelled) {
  auto sleeper = weft::spawn([] { weft::sleep(1h); });
  auto waits = weft::spawn([&] { EXPECT_THROW(weft::await(sleeper), weft::task_cancelled); });
  weft::sleep(1ms);
  sleeper.cancel();
  EXPECT_NO_THROW(waits.get());
}

TEST(await, is_refused_in_a_callback) {
  bool refused = false;
  weft::call_later(0ms, [&] {
    manual m;
    try {
      weft::await(m);
    } catch (const std::logic_error&) {
      refused = true;
    }
  });
  weft::sleep(2ms);
  EXPECT_TRUE(refused);
}

TEST(await, an_empty_handle_is_refused) {
  EXPECT_THROW(weft::await(weft::future<int>()), weft::future_error);
}

} // namespace
