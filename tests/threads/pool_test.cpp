// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/threads/eventually.hpp"
#include "weft/weft.hpp"

namespace weft::test {
namespace {

TEST(to_thread, runs_elsewhere_while_other_fibers_go_on) {
  std::atomic<bool> stop = false;
  int ticks = 0;
  auto ticker = spawn([&] {
    while (++ticks < 5)
      sleep(1ms);
    stop = true;
  });
  auto where = to_thread([&] {
    while (!stop)
      std::this_thread::yield();
    return std::this_thread::get_id();
  });
  EXPECT_NE(where.get(), std::this_thread::get_id());
  EXPECT_EQ(ticks, 5);
  ticker.join();
}

TEST(to_thread, copies_arguments_and_takes_references_by_ref) {
  std::string text = "one";
  int n = 1;
  gate g;
  auto result = to_thread(
      [&g](const std::string& s, int& i) {
        g.pass();
        ++i;
        return s;
      },
      text, std::ref(n));
  text = "two";
  g.open();
  EXPECT_EQ(result.get(), "one");
  EXPECT_EQ(n, 2);
}

TEST(to_thread, results_of_every_kind) {
  EXPECT_EQ(*to_thread([] { return std::make_unique<int>(3); }).get(), 3);
  auto moved = to_thread([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(4));
  EXPECT_EQ(*std::move(moved).get(), 4);
  int n = 0;
  to_thread([&] { n = 1; }).get();
  EXPECT_EQ(n, 1);
  EXPECT_EQ(&to_thread([&]() -> int& { return n; }).get(), &n);
  EXPECT_EQ(to_thread([] { return std::string(1000, 'x'); }).get().size(), 1000u);
  struct large {
    char bytes[500];
  };
  EXPECT_EQ(to_thread([] { return large{"abc"}; }).get().bytes[1], 'b');
}

TEST(to_thread, keeps_exceptions) {
  auto failing = to_thread([]() -> int { throw std::out_of_range("far"); });
  EXPECT_THROW(failing.get(), std::out_of_range);
  EXPECT_THROW(failing.get(), std::out_of_range);
  // What weft itself throws is an exception like any other.
  EXPECT_THROW(to_thread([] { throw future_error("mine"); }).get(), future_error);
  EXPECT_THROW(to_thread([] { throw cancelled(); }).get(), task_cancelled);
}

struct fails_to_move {
  fails_to_move() = default;
  fails_to_move(fails_to_move&&) {
    if (++moves > 1) throw std::runtime_error("does not move");
  }
  static inline std::atomic<int> moves = 0;
};

TEST(to_thread, a_result_that_fails_to_move_is_an_exception) {
  EXPECT_THROW(to_thread([] { return fails_to_move(); }).get(), std::runtime_error);
}

TEST(to_thread, captures_are_gone_when_the_outcome_is_there) {
  for (int i = 0; i < 100; ++i) {
    auto held = std::make_shared<int>(1);
    to_thread([held] { return *held; }).get();
    EXPECT_EQ(held.use_count(), 1);
  }
}

TEST(to_thread, null_is_refused) {
  void (*null)() = nullptr;
  EXPECT_THROW((void)to_thread(null), std::invalid_argument);
  EXPECT_THROW((void)to_thread(std::function<void()>()), std::invalid_argument);
}

TEST(to_thread, from_a_thread_without_a_hub) {
  std::thread([] { EXPECT_EQ(to_thread([] { return 5; }).get(), 5); }).join();
}

TEST(to_thread, from_a_callback) {
  future<int> result;
  promise<void> called;
  call_later(1ms, [&] {
    result = to_thread([] { return 6; });
    called.set_value();
  });
  called.get_future().get();
  EXPECT_EQ(result.get(), 6);
}

TEST(run_in_executor, a_thousand_jobs) {
  thread_pool pool({.max_threads = 8});
  std::vector<future<int>> results;
  for (int i = 0; i < 1000; ++i)
    results.push_back(run_in_executor(
        pool, [](int x) { return x * x; }, i));
  int sum = 0;
  for (auto& result : results)
    sum += result.get();
  EXPECT_EQ(sum, 999 * 1000 * 1999 / 6);
  EXPECT_LE(pool.threads(), 8u);
}

TEST(run_in_executor, from_many_threads_at_once) {
  thread_pool pool({.max_threads = 4, .queue_capacity = 3});
  std::atomic<int> ran = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const auto body = [&] {
        for (int i = 0; i < 100; ++i)
          (void)pool.submit([&] { ++ran; });
      };
      if (t % 2)
        weft::run(body);
      else
        body();
    });
  for (auto& t : threads)
    t.join();
  pool.shutdown();
  EXPECT_EQ(ran, 400);
}

TEST(pool_threads, begin_when_none_is_idle_and_expire) {
  thread_pool pool({.min_threads = 1, .max_threads = 5, .idle_time = 20ms});
  EXPECT_EQ(pool.threads(), 0u);
  gate g;
  std::vector<future<void>> jobs;
  for (int i = 0; i < 8; ++i)
    jobs.push_back(pool.submit([&] { g.pass(); }));
  EXPECT_EQ(pool.threads(), 5u);
  EXPECT_EQ(pool.idle_threads(), 0u);
  EXPECT_EQ(pool.queued(), 3u);
  g.open();
  joinall(jobs);
  EXPECT_TRUE(eventually([&] { return pool.threads() == 1; }));
  sleep(60ms);
  EXPECT_EQ(pool.threads(), 1u); // min_threads stays
  EXPECT_EQ(pool.idle_threads(), 1u);
  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1);
}

TEST(pool_threads, an_idle_one_is_used_again) {
  thread_pool pool({.max_threads = 10});
  std::set<std::thread::id> seen;
  for (int i = 0; i < 50; ++i) {
    seen.insert(pool.submit([] { return std::this_thread::get_id(); }).get());
    EXPECT_TRUE(eventually([&] { return pool.idle_threads() == pool.threads(); }));
  }
  EXPECT_EQ(seen.size(), 1u);
}

TEST(pool_threads, block_signals_but_for_faults) {
  const auto mask = to_thread([] {
                      sigset_t blocked;
                      pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
                      return blocked;
                    }).get();
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD, SIGALRM, SIGUSR1, SIGPROF})
    EXPECT_EQ(sigismember(&mask, signal), 1) << signal;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL})
    EXPECT_EQ(sigismember(&mask, signal), 0) << signal;
  sigset_t mine;
  pthread_sigmask(SIG_SETMASK, nullptr, &mine);
  EXPECT_EQ(sigismember(&mine, SIGTERM), 0);
}

TEST(pool_threads, a_job_may_use_all_of_weft) {
  EXPECT_EQ(to_thread([] {
              auto a = spawn([] {
                sleep(1ms);
                return 1;
              });
              auto b = to_thread([] { return 2; });
              return a.get() + b.get();
            }).get(),
            3);
  EXPECT_EQ(to_thread([] { return weft::run([] { return 4; }); }).get(), 4);
}

TEST(pool_threads, a_jobs_hub_ends_with_it) {
  thread_pool pool({.max_threads = 1});
  for (int i = 0; i < 20; ++i) {
    task<void> left;
    bool cleaned = false;
    pool.submit([&] {
          left = spawn([&] {
            try {
              sleep(1h);
            } catch (const cancelled&) {
              cleaned = true;
              throw;
            }
          });
          yield();
        })
        .get();
    EXPECT_TRUE(cleaned); // before the outcome was there
    EXPECT_TRUE(left.was_cancelled());
  }
}

TEST(pool_options, what_cannot_be_is_refused) {
  EXPECT_THROW(thread_pool({.max_threads = 0}), std::invalid_argument);
  EXPECT_THROW(thread_pool({.min_threads = 2, .max_threads = 1}), std::invalid_argument);
  EXPECT_THROW(thread_pool({.queue_capacity = 0}), std::invalid_argument);
}

} // namespace
} // namespace weft::test
