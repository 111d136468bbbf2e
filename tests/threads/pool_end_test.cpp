// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/threads/eventually.hpp"
#include "weft/weft.hpp"

namespace weft::test {
namespace {

TEST(shutdown, waits_for_what_runs_and_what_is_queued) {
  gate g;
  thread_pool pool({.max_threads = 1});
  std::atomic<int> ran = 0;
  for (int i = 0; i < 3; ++i)
    (void)pool.submit([&] {
      g.pass();
      ++ran;
    });
  EXPECT_FALSE(pool.shutdown(5ms));
  EXPECT_FALSE(pool.shutdown(0s));
  EXPECT_THROW((void)pool.submit([] {}), std::logic_error);
  EXPECT_THROW((void)pool.try_submit([] {}), std::logic_error);
  auto waiting = spawn([&] { pool.shutdown(); });
  sleep(1ms);
  EXPECT_FALSE(waiting.done());
  g.open();
  waiting.join();
  EXPECT_EQ(ran, 3);
  EXPECT_EQ(pool.threads(), 0u);
  pool.shutdown();
  EXPECT_TRUE(pool.shutdown(0s));
}

TEST(shutdown, ends_idle_threads_and_refuses_who_waits_for_a_place) {
  thread_pool idle({.min_threads = 1});
  idle.submit([] {}).get();
  idle.shutdown();
  EXPECT_EQ(idle.threads(), 0u);

  gate g;
  thread_pool full({.max_threads = 1, .queue_capacity = 1});
  (void)full.submit([&] { g.pass(); });
  (void)full.submit([] {});
  auto waiting = spawn([&] { (void)full.submit([] {}); });
  sleep(1ms);
  EXPECT_FALSE(full.shutdown(1ms));
  EXPECT_THROW(waiting.get(), std::logic_error);
  g.open();
}

TEST(shutdown, cancelled_leaves_the_pool_closed) {
  gate g;
  thread_pool pool;
  (void)pool.submit([&] { g.pass(); });
  auto closing = spawn([&] { pool.shutdown(); });
  sleep(1ms);
  closing.kill();
  EXPECT_TRUE(closing.was_cancelled());
  EXPECT_THROW((void)pool.submit([] {}), std::logic_error);
  g.open();
  EXPECT_TRUE(pool.shutdown(10s));
}

TEST(shutdown, cancel_queued_spares_what_runs) {
  gate g;
  thread_pool pool({.max_threads = 1});
  auto running = pool.submit([&] {
    g.pass();
    return 1;
  });
  std::vector<future<void>> queued;
  for (int i = 0; i < 5; ++i)
    queued.push_back(pool.submit([] { std::abort(); }));
  EXPECT_EQ(pool.cancel_queued(), 5u);
  EXPECT_EQ(pool.cancel_queued(), 0u);
  for (auto& each : queued)
    EXPECT_TRUE(each.was_cancelled());
  g.open();
  EXPECT_EQ(running.get(), 1);
}

TEST(shutdown, of_its_own_pool_is_a_deadlock) {
  thread_pool pool;
  EXPECT_THROW(pool.submit([&] { pool.shutdown(); }).get(), deadlock_error);
  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1); // it was not closed
}

TEST(shutdown, a_pool_destroyed_by_its_own_job) {
  std::atomic<bool> done = false;
  auto pool = std::make_shared<thread_pool>();
  auto job = pool->submit([mine = pool, &done]() mutable {
    mine.reset();
    done = true;
  });
  pool.reset();
  job.get();
  EXPECT_TRUE(done);
}

TEST(shutdown, the_destructor_waits_and_delivers_no_cancellation) {
  std::atomic<bool> ran = false;
  gate g;
  auto owner = spawn([&] {
    const thread_pool pool;
    (void)const_cast<thread_pool&>(pool).submit([&] {
      g.pass();
      ran = true;
    });
  });
  sleep(1ms);
  EXPECT_FALSE(owner.done());
  owner.cancel();
  yield();
  EXPECT_FALSE(owner.done());
  g.open();
  owner.join();
  EXPECT_TRUE(ran);
}

TEST(job_and_hub, a_hub_may_end_while_its_jobs_run) {
  gate g;
  future<int> kept;
  std::thread([&] {
    kept = to_thread([&] {
      g.pass();
      return 7;
    });
    (void)spawn([job = kept] { job.wait(); });
    yield();
  }).join();
  EXPECT_FALSE(kept.done());
  g.open();
  EXPECT_EQ(kept.get(), 7);
}

TEST(job_and_hub, nobody_may_want_the_result) {
  thread_pool pool;
  std::thread([&] {
    weft::run([&] {
      for (int i = 0; i < 20; ++i)
        (void)pool.submit([] { return std::string(100, 'x'); });
    });
  }).join();
  pool.shutdown();
}

// Idle threads are no reason to wait; one that runs a job is.
TEST(deadlock, is_found_while_a_pool_is_idle) {
  gate g;
  thread_pool pool({.min_threads = 3});
  std::vector<future<void>> jobs;
  for (int i = 0; i < 3; ++i)
    jobs.push_back(pool.submit([&] { g.pass(); }));
  g.open();
  joinall(jobs);
  to_thread([] {}).get();
  EXPECT_TRUE(eventually([&] { return pool.idle_threads() == 3; }));
  promise<void> never;
  EXPECT_THROW(never.get_future().get(), deadlock_error);
}

TEST(deadlock, none_while_a_job_runs) {
  promise<int> p;
  (void)to_thread([&] {
    std::this_thread::sleep_for(1500ms); // longer than the hub takes to look again
    p.set_value(1);
  });
  EXPECT_EQ(p.get_future().get(), 1);
}

class death : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(death, threads_do_not_keep_the_process) {
  EXPECT_EXIT(
      {
        to_thread([] {}).get();
        (void)to_thread([] { std::this_thread::sleep_for(1h); });
        std::exit(3);
      },
      testing::ExitedWithCode(3), "");
}

TEST_F(death, a_job_may_call_exit) {
  EXPECT_EXIT(
      {
        (void)to_thread([] { std::exit(4); });
        std::this_thread::sleep_for(1h);
      },
      testing::ExitedWithCode(4), "");
}

} // namespace
} // namespace weft::test
