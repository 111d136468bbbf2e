// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/threads/eventually.hpp"
#include "weft/weft.hpp"

namespace weft::test {
namespace {

/// A pool of one thread, which is busy, with one place in its queue, which is taken.
struct full_pool {
  gate g;
  std::atomic<bool> queued_ran = false;
  thread_pool pool{{.max_threads = 1, .queue_capacity = 1}};
  future<void> running = pool.submit([this] { g.pass(); });
  future<void> queued = pool.submit([this] { queued_ran = true; });
};

TEST(bounded_queue, try_submit_of_a_full_one_gives_nothing) {
  full_pool full;
  EXPECT_FALSE(full.pool.try_submit([] {}));
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_FALSE(full.pool.try_submit_for(10ms, [] {}));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 10ms);
  full.g.open();
  auto later = full.pool.try_submit_for(10s, [] { return 1; });
  ASSERT_TRUE(later);
  EXPECT_EQ(later->get(), 1);
}

TEST(bounded_queue, submit_parks_the_fiber_and_keeps_the_order) {
  full_pool full;
  std::vector<int> order;
  std::mutex mutex;
  std::vector<task<void>> fibers;
  for (int i = 0; i < 5; ++i)
    fibers.push_back(spawn([&, i] {
      full.pool
          .submit([&, i] {
            const std::lock_guard held(mutex);
            order.push_back(i);
          })
          .get();
    }));
  int ticks = 0;
  for (; ticks < 5; ++ticks)
    sleep(1ms);
  for (auto& fiber : fibers)
    EXPECT_FALSE(fiber.done());
  full.g.open();
  joinall(fibers);
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
}

TEST(bounded_queue, submit_blocks_a_thread_without_a_hub) {
  full_pool full;
  std::atomic<bool> submitted = false;
  std::thread other([&] {
    EXPECT_EQ(full.pool.submit([] { return 2; }).get(), 2);
    submitted = true;
  });
  std::this_thread::sleep_for(10ms);
  EXPECT_FALSE(submitted);
  full.g.open();
  other.join();
  EXPECT_TRUE(submitted);
}

TEST(bounded_queue, a_cancelled_submitter_queues_nothing) {
  full_pool full;
  std::atomic<bool> ran = false;
  auto fiber = spawn([&] { (void)full.pool.submit([&] { ran = true; }); });
  auto next = spawn([&] { return full.pool.submit([] { return 3; }).get(); });
  sleep(1ms);
  fiber.kill();
  EXPECT_TRUE(fiber.was_cancelled());
  full.g.open();
  EXPECT_EQ(next.get(), 3);
  full.pool.shutdown();
  EXPECT_FALSE(ran);
}

TEST(bounded_queue, submit_that_need_not_wait_is_no_switch_point) {
  thread_pool pool;
  auto fiber = spawn([&] {
    (void)current().cancel();
    auto result = pool.submit([] { return 1; });
    try {
      yield();
    } catch (const cancelled&) {
      return result.get();
    }
    return 0;
  });
  EXPECT_EQ(fiber.get(), 1);
}

TEST(bounded_queue, a_wait_inside_a_callback_is_refused) {
  full_pool full;
  promise<bool> refused;
  call_later(0s, [&] {
    EXPECT_FALSE(full.pool.try_submit([] {}));
    try {
      (void)full.pool.submit([] {});
      refused.set_value(false);
    } catch (const std::logic_error&) {
      refused.set_value(true);
    }
  });
  EXPECT_TRUE(refused.get_future().get());
  full.g.open();
}

TEST(bounded_queue, a_full_pool_that_submits_to_itself_is_an_error) {
  gate g;
  thread_pool pool({.max_threads = 2, .queue_capacity = 1});
  std::atomic<int> errors = 0;
  std::atomic<int> inside = 0;
  std::vector<future<void>> jobs;
  for (int i = 0; i < 2; ++i)
    jobs.push_back(pool.submit([&] {
      ++inside;
      g.pass();
      try {
        (void)pool.submit([] {});
      } catch (const deadlock_error&) {
        ++errors;
      }
    }));
  (void)pool.submit([] {}); // the queue's only place
  EXPECT_TRUE(eventually([&] { return inside == 2; }));
  g.open();
  joinall(jobs);
  EXPECT_EQ(errors, 1); // the last of them; its thread then serves the other
}

TEST(queued_job, cancelled_never_runs_and_frees_its_place) {
  full_pool full;
  auto held = std::make_shared<int>(1);
  EXPECT_TRUE(full.queued.cancel());
  EXPECT_TRUE(full.queued.was_cancelled());
  EXPECT_EQ(full.pool.queued(), 0u);
  auto next = full.pool.try_submit([held] { return *held; });
  ASSERT_TRUE(next);
  EXPECT_TRUE(next->cancel());
  EXPECT_EQ(held.use_count(), 1);
  auto last = full.pool.submit([] { return 4; });
  full.g.open();
  EXPECT_EQ(last.get(), 4);
  EXPECT_FALSE(full.queued_ran);
  EXPECT_FALSE(full.queued.cancel());
}

TEST(queued_job, cancelled_by_another_thread_lets_the_next_submitter_in) {
  full_pool full;
  auto waiting = spawn([&] { return full.pool.submit([] { return 5; }); });
  sleep(1ms);
  std::thread([&] { EXPECT_TRUE(full.queued.cancel()); }).join();
  auto accepted = waiting.get();
  EXPECT_FALSE(accepted.done());
  full.g.open();
  EXPECT_EQ(accepted.get(), 5);
  EXPECT_FALSE(full.queued_ran);
}

TEST(started_job, cancelled_its_future_is_and_it_runs_on) {
  gate g;
  thread_pool pool;
  std::atomic<bool> began = false, ended = false;
  auto job = pool.submit([&] {
    began = true;
    g.pass();
    ended = true;
    return 1;
  });
  EXPECT_TRUE(eventually([&] { return began.load(); }));
  EXPECT_TRUE(job.cancel());
  EXPECT_THROW(job.get(), task_cancelled);
  EXPECT_FALSE(ended);
  g.open();
  pool.shutdown();
  EXPECT_TRUE(ended);
  EXPECT_TRUE(job.was_cancelled());
}

TEST(started_job, cancelling_the_waiter_leaves_it) {
  gate g;
  auto job = to_thread([&] {
    g.pass();
    return 1;
  });
  auto waiter = spawn([&] { return job.get(); });
  sleep(1ms);
  waiter.kill();
  EXPECT_TRUE(waiter.was_cancelled());
  EXPECT_FALSE(job.done());
  g.open();
  EXPECT_EQ(job.get(), 1);
}

TEST(queued_job, cancelled_and_run_at_once_is_one_of_both) {
  thread_pool pool({.max_threads = 2});
  for (int i = 0; i < 300; ++i) {
    std::atomic<int> ran = 0;
    auto job = pool.submit([&] { return ++ran; });
    if (i % 3) std::this_thread::yield();
    if (job.cancel()) {
      EXPECT_TRUE(job.was_cancelled());
    } else {
      EXPECT_EQ(job.get(), 1);
    }
    // What began may still run: it refers to `ran`.
    EXPECT_TRUE(eventually([&] { return pool.idle_threads() == pool.threads(); }));
    EXPECT_LE(ran, 1);
  }
}

} // namespace
} // namespace weft::test
