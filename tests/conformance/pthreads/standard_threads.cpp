// SPDX-License-Identifier: BSL-1.0
// The C++ library's threads, which stand on pthreads and, for waiting on atomics, on raw futexes.
#include "tests/conformance/check.hpp"

#include <array>
#include <atomic>
#include <barrier>
#include <condition_variable>
#include <future>
#include <latch>
#include <memory>
#include <mutex>
#include <numeric>
#include <queue>
#include <semaphore>
#include <shared_mutex>
#include <stdexcept>
#include <stop_token>
#include <vector>

namespace {

using namespace conformance;

void std_thread_and_mutex() {
  std::mutex lock;
  long total = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back(
        [&](int times, std::unique_ptr<int> step) {
          for (int i = 0; i < times; ++i) {
            const std::lock_guard guard(lock);
            total += *step;
            if (i % 100 == 0) std::this_thread::yield();
          }
        },
        1000, std::make_unique<int>(2));
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(total, 16000, "nothing lost under the lock");
}

void std_timed_mutex() {
  std::timed_mutex lock;
  lock.lock();
  std::thread([&] {
    const stopwatch watch;
    expect(!lock.try_lock_for(60ms), "try_lock_for of a held mutex");
    watch.expect_between(60ms, 8s, "try_lock_for");
    expect(!lock.try_lock_until(std::chrono::system_clock::now() + 30ms), "try_lock_until");
  }).join();
  std::thread waiter([&] {
    expect(lock.try_lock_for(20s), "try_lock_for of a mutex freed in time");
    lock.unlock();
  });
  let_others_block();
  lock.unlock();
  waiter.join();
  std::recursive_mutex again;
  again.lock();
  expect(again.try_lock(), "a recursive mutex");
  again.unlock();
  again.unlock();
}

void std_shared_mutex() {
  std::shared_timed_mutex lock;
  lock.lock_shared();
  expect(lock.try_lock_shared(), "shared twice");
  std::thread([&] { expect(!lock.try_lock_for(40ms), "not exclusive beside shared"); }).join();
  lock.unlock_shared();
  lock.unlock_shared();
  expect(lock.try_lock(), "exclusive when free");
  std::thread([&] {
    expect(!lock.try_lock_shared_for(40ms), "not shared beside exclusive");
  }).join();
  lock.unlock();
}

void std_condition_variable() {
  std::mutex lock;
  std::condition_variable changed;
  std::queue<int> items;
  std::thread producer([&] {
    for (int i = 0; i < 500; ++i) {
      const std::lock_guard guard(lock);
      items.push(i);
      changed.notify_one();
    }
  });
  for (int i = 0; i < 500; ++i) {
    std::unique_lock guard(lock);
    changed.wait(guard, [&] { return !items.empty(); });
    expect_equal(items.front(), i, "in order");
    items.pop();
  }
  producer.join();
  std::unique_lock guard(lock);
  const stopwatch watch;
  expect(!changed.wait_for(guard, 60ms, [] { return false; }), "wait_for");
  expect(!changed.wait_until(guard, std::chrono::system_clock::now() + 40ms, [] { return false; }),
         "wait_until");
  watch.expect_between(95ms, 8s, "two time-outs");
}

void std_at_thread_exit() {
  std::mutex lock;
  std::condition_variable ended;
  bool done = false;
  std::thread thread([&] {
    std::unique_lock guard(lock);
    done = true;
    std::notify_all_at_thread_exit(ended, std::move(guard));
  });
  std::unique_lock guard(lock);
  ended.wait(guard, [&] { return done; });
  guard.unlock();
  thread.join();
}

void std_async_and_futures() {
  std::vector<std::future<int>> results;
  for (int i = 0; i < 20; ++i)
    results.push_back(std::async(std::launch::async, [i] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20 - i));
      return i * i;
    }));
  int sum = 0;
  for (auto& result : results)
    sum += result.get();
  expect_equal(sum, 2470, "the sum of the results");

  auto failing =
      std::async(std::launch::async, []() -> int { throw std::range_error("expected"); });
  try {
    failing.get();
    fail("no exception came through the future");
  } catch (const std::range_error& error) {
    expect_equal(std::string(error.what()), "expected", "what()");
  }

  std::promise<std::string> promise;
  auto future = promise.get_future();
  expect(future.wait_for(30ms) == std::future_status::timeout, "not ready");
  std::thread setter([&] {
    let_others_block();
    promise.set_value("value");
  });
  expect_equal(future.get(), "value", "the promise's value");
  setter.join();

  std::packaged_task<int(int)> task([](int x) { return x + 1; });
  auto outcome = task.get_future();
  std::thread(std::move(task), 41).join();
  expect_equal(outcome.get(), 42, "packaged_task");
}

void std_latch_barrier_semaphore() {
  std::latch ready(5);
  std::latch go(1);
  std::counting_semaphore<3> slots(3);
  std::atomic<int> inside{0};
  std::atomic<int> completions{0};
  std::barrier rounds(5, [&]() noexcept { completions.fetch_add(1); });
  std::vector<std::thread> threads;
  for (int t = 0; t < 5; ++t)
    threads.emplace_back([&] {
      ready.count_down();
      go.wait();
      slots.acquire();
      expect(inside.fetch_add(1) < 3, "at most three inside");
      std::this_thread::sleep_for(5ms);
      inside.fetch_sub(1);
      slots.release();
      for (int round = 1; round <= 10; ++round) {
        rounds.arrive_and_wait();
        expect(completions.load() >= round, "the completion has run");
      }
    });
  ready.wait();
  go.count_down();
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(completions.load(), 10, "completions");

  std::binary_semaphore none(0);
  const stopwatch watch;
  expect(!none.try_acquire_for(60ms), "try_acquire_for");
  watch.expect_between(59ms, 8s, "try_acquire_for");
}

void std_atomic_wait() {
  std::atomic<int> turn{0};
  std::thread other([&] {
    for (int i = 1; i < 400; i += 2) {
      turn.wait(i - 1);
      expect_equal(turn.load(), i, "the other's turn");
      turn.store(i + 1);
      turn.notify_one();
    }
  });
  for (int i = 0; i < 400; i += 2) {
    turn.store(i + 1);
    turn.notify_one();
    turn.wait(i + 1);
    expect_equal(turn.load(), i + 2, "this one's turn");
  }
  other.join();

  std::atomic_flag raised = ATOMIC_FLAG_INIT;
  std::atomic<std::uint64_t> wide{0}; // not a futex's size: waits through a proxy
  std::vector<std::thread> threads;
  for (int t = 0; t < 10; ++t)
    threads.emplace_back([&] {
      raised.wait(false);
      wide.wait(0);
    });
  let_others_block();
  raised.test_and_set();
  raised.notify_all();
  let_others_block();
  wide.store(1);
  wide.notify_all();
  for (std::thread& thread : threads)
    thread.join();
}

void std_jthread_and_stop() {
  std::mutex lock;
  std::condition_variable_any changed;
  std::atomic<bool> stopped{false};
  {
    const std::jthread thread([&](const std::stop_token& stop) {
      std::unique_lock guard(lock);
      expect(!changed.wait(guard, stop, [] { return false; }), "the wait was stopped");
      stopped.store(stop.stop_requested());
    });
    let_others_block();
  }
  expect(stopped.load(), "the destructor stops and joins");
}

void std_call_once() {
  std::once_flag flag;
  int tries = 0;
  std::atomic<int> passed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      std::call_once(flag, [&] {
        std::this_thread::sleep_for(10ms);
        ++tries;
      });
      expect_equal(tries, 1, "done when call_once returns");
      passed.fetch_add(1);
    });
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(passed.load(), 8, "everyone has passed");
}

struct slow {
  slow() {
    std::this_thread::sleep_for(30ms);
    built.fetch_add(1);
  }
  static std::atomic<int> built;
};
std::atomic<int> slow::built{0};

void std_static_initialisation() {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([] {
      static const slow only;
      expect_equal(slow::built.load(), 1, "built when the initialisation is passed");
    });
  for (std::thread& thread : threads)
    thread.join();
}

const checks registered{
    {"std_thread_and_mutex", std_thread_and_mutex},
    {"std_timed_mutex", std_timed_mutex},
    {"std_shared_mutex", std_shared_mutex},
    {"std_condition_variable", std_condition_variable},
    {"std_at_thread_exit", std_at_thread_exit},
    {"std_async_and_futures", std_async_and_futures},
    {"std_latch_barrier_semaphore", std_latch_barrier_semaphore},
    {"std_atomic_wait", std_atomic_wait},
    {"std_jthread_and_stop", std_jthread_and_stop},
    {"std_call_once", std_call_once},
    {"std_static_initialisation", std_static_initialisation},
};

} // namespace
