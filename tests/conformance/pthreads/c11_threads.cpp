// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/deadline.hpp"

#include <atomic>
#include <string>
#include <threads.h>

namespace {

using namespace conformance;

void c11_create_join_exit() {
  thrd_t threads[10];
  static int numbers[10];
  for (int i = 0; i < 10; ++i) {
    numbers[i] = i;
    const auto body = [](void* argument) -> int {
      const int number = *static_cast<int*>(argument);
      const timespec nap{0, 2'000'000};
      expect_equal(thrd_sleep(&nap, nullptr), 0, "thrd_sleep");
      thrd_yield();
      if (number % 2 == 0) thrd_exit(number * 3);
      return number * 3;
    };
    expect_equal(thrd_create(&threads[i], body, &numbers[i]), thrd_success, "thrd_create");
  }
  for (int i = 0; i < 10; ++i) {
    int result = -1;
    expect_equal(thrd_join(threads[i], &result), thrd_success, "thrd_join");
    expect_equal(result, i * 3, "the thread's result");
  }
  expect(thrd_equal(thrd_current(), thrd_current()) != 0, "thrd_equal");
}

void c11_mutex_and_condition() {
  static mtx_t lock;
  static cnd_t changed;
  static bool ready = false;
  mtx_init(&lock, mtx_timed);
  cnd_init(&changed);
  thrd_t thread{};
  thrd_create(
      &thread,
      [](void*) -> int {
        mtx_lock(&lock);
        while (!ready)
          cnd_wait(&changed, &lock);
        mtx_unlock(&lock);
        return 0;
      },
      nullptr);
  let_others_block();
  mtx_lock(&lock);
  ready = true;
  cnd_signal(&changed);
  mtx_unlock(&lock);
  thrd_join(thread, nullptr);

  mtx_lock(&lock);
  const timespec until = deadline(CLOCK_REALTIME, 60ms);
  const stopwatch watch;
  int result = thrd_success;
  while (result == thrd_success)
    result = cnd_timedwait(&changed, &lock, &until);
  expect_equal(result, thrd_timedout, "cnd_timedwait");
  watch.expect_between(59ms, 8s, "cnd_timedwait");
  thrd_create(
      &thread,
      [](void*) -> int {
        const timespec soon = deadline(CLOCK_REALTIME, 40ms);
        expect_equal(mtx_trylock(&lock), thrd_busy, "mtx_trylock");
        expect_equal(mtx_timedlock(&lock, &soon), thrd_timedout, "mtx_timedlock");
        return 0;
      },
      nullptr);
  thrd_join(thread, nullptr);
  mtx_unlock(&lock);
  mtx_destroy(&lock);
  cnd_destroy(&changed);
}

void c11_storage_and_once() {
  static tss_t key;
  static std::atomic<int> destroyed{0};
  static std::atomic<int> runs{0};
  static once_flag flag = ONCE_FLAG_INIT;
  tss_create(&key, [](void*) { destroyed.fetch_add(1); });
  thrd_t threads[6];
  for (thrd_t& thread : threads)
    thrd_create(
        &thread,
        [](void* argument) -> int {
          call_once(&flag, [] { runs.fetch_add(1); });
          tss_set(key, argument);
          thrd_yield();
          expect(tss_get(key) == argument, "tss_get");
          return 0;
        },
        &thread);
  for (const thrd_t thread : threads)
    thrd_join(thread, nullptr);
  expect_equal(destroyed.load(), 6, "destructors");
  expect_equal(runs.load(), 1, "call_once");
  tss_delete(key);
}

const checks registered{
    {"c11_create_join_exit", c11_create_join_exit},
    {"c11_mutex_and_condition", c11_mutex_and_condition},
    {"c11_storage_and_once", c11_storage_and_once},
};

} // namespace
