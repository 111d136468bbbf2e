// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/deadline.hpp"

#include <atomic>
#include <deque>
#include <pthread.h>
#include <vector>

namespace {

using namespace conformance;

struct monitor {
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
  int value = 0;
};

void cond_signal_and_broadcast() {
  monitor m;
  int woken = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t)
    threads.emplace_back([&] {
      pthread_mutex_lock(&m.lock);
      while (m.value == 0)
        pthread_cond_wait(&m.changed, &m.lock);
      --m.value;
      ++woken;
      pthread_mutex_unlock(&m.lock);
    });
  let_others_block();
  for (int i = 0; i < 4; ++i) {
    pthread_mutex_lock(&m.lock);
    ++m.value;
    pthread_cond_signal(&m.changed);
    pthread_mutex_unlock(&m.lock);
  }
  wait_until(
      [&] {
        pthread_mutex_lock(&m.lock);
        const bool four = woken == 4;
        pthread_mutex_unlock(&m.lock);
        return four;
      },
      "four signals wake four");
  pthread_mutex_lock(&m.lock);
  m.value = 8;
  pthread_cond_broadcast(&m.changed);
  pthread_mutex_unlock(&m.lock);
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(woken, 12, "all woken");
}

// pthread_cond_timedwait by the clock that the condition has, until it reports a time-out.
void times_out(clockid_t clock) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  expect_equal(pthread_condattr_setclock(&attributes, clock), 0, "setclock");
  pthread_cond_t condition;
  pthread_cond_init(&condition, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  const stopwatch watch;
  const timespec until = deadline(clock, 80ms);
  int result = 0;
  while (result == 0)
    result = pthread_cond_timedwait(&condition, &lock, &until);
  expect_equal(result, ETIMEDOUT, "timedwait");
  watch.expect_between(79ms, 8s, "timedwait's time-out");
  const timespec past = deadline(clock, -1s);
  expect_equal(pthread_cond_timedwait(&condition, &lock, &past), ETIMEDOUT, "a past deadline");
  expect_equal(pthread_mutex_trylock(&lock), EBUSY, "the mutex is held again");
  pthread_mutex_unlock(&lock);
  pthread_cond_destroy(&condition);
}

void cond_timed_realtime() {
  times_out(CLOCK_REALTIME);
}
void cond_timed_monotonic() {
  times_out(CLOCK_MONOTONIC);
}

void cond_clockwait() {
  monitor m;
  pthread_mutex_lock(&m.lock);
  for (const clockid_t clock : {CLOCK_MONOTONIC, CLOCK_REALTIME}) {
    const stopwatch watch;
    const timespec until = deadline(clock, 60ms);
    int result = 0;
    while (result == 0)
      result = pthread_cond_clockwait(&m.changed, &m.lock, clock, &until);
    expect_equal(result, ETIMEDOUT, "clockwait");
    watch.expect_between(59ms, 8s, "clockwait's time-out");
  }
  pthread_mutex_unlock(&m.lock);
}

void cond_signalled_before_time_out() {
  monitor m;
  std::thread setter([&] {
    let_others_block();
    pthread_mutex_lock(&m.lock);
    m.value = 1;
    pthread_cond_signal(&m.changed);
    pthread_mutex_unlock(&m.lock);
  });
  const stopwatch watch;
  pthread_mutex_lock(&m.lock);
  const timespec until = deadline(CLOCK_REALTIME, 20s);
  int result = 0;
  while (m.value == 0 && result == 0)
    result = pthread_cond_timedwait(&m.changed, &m.lock, &until);
  pthread_mutex_unlock(&m.lock);
  expect_equal(result, 0, "timedwait");
  watch.expect_between(0ms, 10s, "the wait ended early");
  setter.join();
}

void cond_bounded_buffer() {
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t not_full = PTHREAD_COND_INITIALIZER;
  pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
  std::deque<int> items;
  long sum = 0;
  std::vector<std::thread> threads;
  for (int p = 0; p < 4; ++p)
    threads.emplace_back([&, p] {
      for (int i = 0; i < 500; ++i) {
        pthread_mutex_lock(&lock);
        while (items.size() == 3)
          pthread_cond_wait(&not_full, &lock);
        items.push_back(p * 500 + i);
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&lock);
      }
    });
  for (int c = 0; c < 4; ++c)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        pthread_mutex_lock(&lock);
        while (items.empty())
          pthread_cond_wait(&not_empty, &lock);
        sum += items.front();
        items.pop_front();
        pthread_cond_signal(&not_full);
        pthread_mutex_unlock(&lock);
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(sum, 1999L * 2000 / 2, "each item exactly once");
  expect(items.empty(), "no item left");
}

const checks registered{
    {"cond_signal_and_broadcast", cond_signal_and_broadcast},
    {"cond_timed_realtime", cond_timed_realtime},
    {"cond_timed_monotonic", cond_timed_monotonic},
    {"cond_clockwait", cond_clockwait},
    {"cond_signalled_before_time_out", cond_signalled_before_time_out},
    {"cond_bounded_buffer", cond_bounded_buffer},
};

} // namespace
