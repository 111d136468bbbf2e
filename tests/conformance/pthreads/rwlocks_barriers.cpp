// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/deadline.hpp"

#include <atomic>
#include <pthread.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

void rwlock_shares_and_excludes() {
  pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
  std::atomic<int> readers{0};
  std::atomic<int> writers{0};
  std::atomic<int> most_readers{0};
  long value = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        pthread_rwlock_rdlock(&lock);
        const int now = readers.fetch_add(1) + 1;
        if (now > most_readers.load()) most_readers.store(now);
        expect_equal(writers.load(), 0, "no writer beside a reader");
        usleep(1000);
        readers.fetch_sub(1);
        pthread_rwlock_unlock(&lock);
        usleep(500);
      }
    });
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        pthread_rwlock_wrlock(&lock);
        expect_equal(writers.fetch_add(1), 0, "one writer");
        expect_equal(readers.load(), 0, "no reader beside a writer");
        const long seen = value;
        usleep(500);
        value = seen + 1;
        writers.fetch_sub(1);
        pthread_rwlock_unlock(&lock);
        usleep(500);
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(value, 30, "no write lost");
  expect(most_readers.load() > 1, "readers read together");
  pthread_rwlock_destroy(&lock);
}

void rwlock_try_and_timed() {
  pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
  pthread_rwlock_rdlock(&lock);
  std::thread([&] {
    expect_equal(pthread_rwlock_tryrdlock(&lock), 0, "a second reader");
    pthread_rwlock_unlock(&lock);
    expect_equal(pthread_rwlock_trywrlock(&lock), EBUSY, "a writer beside a reader");
    const stopwatch watch;
    timespec until = deadline(CLOCK_REALTIME, 60ms);
    expect_equal(pthread_rwlock_timedwrlock(&lock, &until), ETIMEDOUT, "timedwrlock");
    until = deadline(CLOCK_MONOTONIC, 60ms);
    expect_equal(pthread_rwlock_clockwrlock(&lock, CLOCK_MONOTONIC, &until), ETIMEDOUT,
                 "clockwrlock");
    watch.expect_between(119ms, 8s, "two time-outs");
  }).join();
  pthread_rwlock_unlock(&lock);
  pthread_rwlock_wrlock(&lock);
  expect_equal(pthread_rwlock_rdlock(&lock), EDEADLK, "a writer that reads");
  std::thread([&] {
    expect_equal(pthread_rwlock_tryrdlock(&lock), EBUSY, "a reader beside a writer");
    const timespec until = deadline(CLOCK_REALTIME, 60ms);
    expect_equal(pthread_rwlock_timedrdlock(&lock, &until), ETIMEDOUT, "timedrdlock");
  }).join();
  std::thread waiter([&] {
    const timespec until = deadline(CLOCK_REALTIME, 20s);
    expect_equal(pthread_rwlock_timedrdlock(&lock, &until), 0, "timedrdlock in time");
    pthread_rwlock_unlock(&lock);
  });
  let_others_block();
  pthread_rwlock_unlock(&lock);
  waiter.join();
  pthread_rwlock_destroy(&lock);
}

void rwlock_prefers_writers_when_asked() {
  pthread_rwlockattr_t attributes;
  pthread_rwlockattr_init(&attributes);
  pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_t lock;
  pthread_rwlock_init(&lock, &attributes);
  pthread_rwlockattr_destroy(&attributes);
  pthread_rwlock_rdlock(&lock);
  std::atomic<bool> written{false};
  std::thread writer([&] {
    pthread_rwlock_wrlock(&lock);
    written.store(true);
    pthread_rwlock_unlock(&lock);
  });
  // The waiting writer keeps new readers out: this becomes EBUSY once it waits.
  wait_until(
      [&] {
        const int result = pthread_rwlock_tryrdlock(&lock);
        if (result == 0) pthread_rwlock_unlock(&lock);
        return result == EBUSY;
      },
      "a waiting writer keeps readers out");
  expect(!written.load(), "the writer waits for the reader");
  pthread_rwlock_unlock(&lock);
  writer.join();
  expect(written.load(), "the writer has written");
  pthread_rwlock_destroy(&lock);
}

void barrier_rounds() {
  constexpr int parties = 6;
  constexpr int rounds = 20;
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, nullptr, parties);
  std::atomic<int> arrived{0};
  std::atomic<int> serial{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < parties; ++t)
    threads.emplace_back([&, t] {
      for (int round = 1; round <= rounds; ++round) {
        if (t == round % parties) usleep(1000);
        arrived.fetch_add(1);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) serial.fetch_add(1);
        expect(arrived.load() >= round * parties, "all have arrived");
        pthread_barrier_wait(&barrier);
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(serial.load(), rounds, "one serial thread a round");
  expect_equal(pthread_barrier_destroy(&barrier), 0, "destroy");
}

const checks registered{
    {"rwlock_shares_and_excludes", rwlock_shares_and_excludes},
    {"rwlock_try_and_timed", rwlock_try_and_timed},
    {"rwlock_prefers_writers_when_asked", rwlock_prefers_writers_when_asked},
    {"barrier_rounds", barrier_rounds},
};

} // namespace
