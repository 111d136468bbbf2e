// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/deadline.hpp"

#include <atomic>
#include <csignal>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

// A mutex of the given kind, for the length of a check.
class mutex {
 public:
  explicit mutex(int kind, int robust = PTHREAD_MUTEX_STALLED, int protocol = PTHREAD_PRIO_NONE) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, kind);
    pthread_mutexattr_setrobust(&attributes, robust);
    expect_equal(pthread_mutexattr_setprotocol(&attributes, protocol), 0, "setprotocol");
    expect_equal(pthread_mutex_init(&mutex_, &attributes), 0, "pthread_mutex_init");
    pthread_mutexattr_destroy(&attributes);
  }
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;
  ~mutex() { pthread_mutex_destroy(&mutex_); }

  operator pthread_mutex_t*() { return &mutex_; }

 private:
  pthread_mutex_t mutex_{};
};

void count_together(pthread_mutex_t* lock) {
  long total = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        pthread_mutex_lock(lock);
        const long seen = total;
        if (i % 200 == 0) sched_yield();
        total = seen + 1;
        pthread_mutex_unlock(lock);
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(total, 16000, "nothing lost under the lock");
}

// What another thread gets from pthread_mutex_trylock.
int trylock_elsewhere(pthread_mutex_t* lock) {
  int result = -1;
  std::thread([&] {
    result = pthread_mutex_trylock(lock);
    if (result == 0) pthread_mutex_unlock(lock);
  }).join();
  return result;
}

void mutex_normal() {
  mutex lock(PTHREAD_MUTEX_NORMAL);
  count_together(lock);
  pthread_mutex_lock(lock);
  expect_equal(trylock_elsewhere(lock), EBUSY, "trylock of a held mutex");
  pthread_mutex_unlock(lock);
  expect_equal(trylock_elsewhere(lock), 0, "trylock of a free mutex");
}

void mutex_held_while_sleeping() {
  mutex lock(PTHREAD_MUTEX_NORMAL);
  std::atomic<int> inside{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 3; ++i) {
        pthread_mutex_lock(lock);
        expect_equal(inside.fetch_add(1), 0, "alone inside");
        usleep(2000);
        inside.fetch_sub(1);
        pthread_mutex_unlock(lock);
      }
    });
  for (std::thread& thread : threads)
    thread.join();
}

void mutex_recursive() {
  mutex lock(PTHREAD_MUTEX_RECURSIVE);
  count_together(lock);
  for (int i = 0; i < 5; ++i)
    expect_equal(pthread_mutex_lock(lock), 0, "lock again");
  for (int i = 0; i < 5; ++i) {
    expect_equal(trylock_elsewhere(lock), EBUSY, "held until the last unlock");
    expect_equal(pthread_mutex_unlock(lock), 0, "unlock");
  }
  expect_equal(trylock_elsewhere(lock), 0, "free after the last unlock");
  expect_equal(pthread_mutex_unlock(lock), EPERM, "unlock of a mutex that is not held");
}

void mutex_errorcheck() {
  mutex lock(PTHREAD_MUTEX_ERRORCHECK);
  count_together(lock);
  pthread_mutex_lock(lock);
  expect_equal(pthread_mutex_lock(lock), EDEADLK, "second lock");
  std::thread([&] { expect_equal(pthread_mutex_unlock(lock), EPERM, "not the owner"); }).join();
  expect_equal(pthread_mutex_unlock(lock), 0, "unlock");
  expect_equal(pthread_mutex_unlock(lock), EPERM, "second unlock");
}

void mutex_timed() {
  for (const int protocol : {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT}) {
    mutex lock(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, protocol);
    pthread_mutex_lock(lock);
    std::thread([&] {
      const stopwatch watch;
      timespec until = deadline(CLOCK_REALTIME, 80ms);
      expect_equal(pthread_mutex_timedlock(lock, &until), ETIMEDOUT, "timedlock");
      watch.expect_between(79ms, 8s, "timedlock's time-out");
      if (protocol == PTHREAD_PRIO_NONE) {
        until = deadline(CLOCK_MONOTONIC, 50ms);
        expect_equal(pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &until), ETIMEDOUT,
                     "clocklock");
      }
      until = deadline(CLOCK_REALTIME, -1s);
      expect_equal(pthread_mutex_timedlock(lock, &until), ETIMEDOUT, "a deadline that has passed");
    }).join();
    std::thread waiter([&] {
      timespec until = deadline(CLOCK_REALTIME, 10s);
      expect_equal(pthread_mutex_timedlock(lock, &until), 0, "timedlock of a mutex freed in time");
      pthread_mutex_unlock(lock);
    });
    let_others_block();
    pthread_mutex_unlock(lock);
    waiter.join();
    const timespec past = deadline(CLOCK_REALTIME, -1s);
    expect_equal(pthread_mutex_timedlock(lock, &past), 0, "a free mutex needs no time");
    pthread_mutex_unlock(lock);
  }
}

void mutex_priority_inheritance() {
  mutex lock(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT);
  count_together(lock);
  pthread_mutex_lock(lock);
  expect_equal(trylock_elsewhere(lock), EBUSY, "trylock of a held mutex");
  std::thread waiter([&] {
    expect_equal(pthread_mutex_lock(lock), 0, "lock after a wait");
    pthread_mutex_unlock(lock);
  });
  let_others_block();
  pthread_mutex_unlock(lock);
  waiter.join();
  mutex checked(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT);
  pthread_mutex_lock(checked);
  expect_equal(pthread_mutex_lock(checked), EDEADLK, "second lock");
  pthread_mutex_unlock(checked);
}

void mutex_robust() {
  for (const int protocol : {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT}) {
    mutex lock(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, protocol);
    std::thread([&] { pthread_mutex_lock(lock); }).join();
    expect_equal(pthread_mutex_lock(lock), EOWNERDEAD, "the owner has died");
    expect_equal(pthread_mutex_consistent(lock), 0, "consistent");
    pthread_mutex_unlock(lock);
    expect_equal(pthread_mutex_lock(lock), 0, "usable again");
    pthread_mutex_unlock(lock);

    std::atomic<bool> held{false};
    std::thread dying([&] { // while another waits
      pthread_mutex_lock(lock);
      held.store(true);
      usleep(60'000);
    });
    wait_until([&] { return held.load(); }, "the mutex is held");
    const int result = pthread_mutex_lock(lock);
    expect_equal(result, EOWNERDEAD, "the owner dies while one waits");
    dying.join();
    pthread_mutex_unlock(lock); // not made consistent
    expect_equal(pthread_mutex_lock(lock), ENOTRECOVERABLE, "not recoverable");
  }
}

void spin_lock() {
  static pthread_spinlock_t spin;
  pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
  long total = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        pthread_spin_lock(&spin);
        ++total;
        pthread_spin_unlock(&spin);
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(total, 20000, "nothing lost under the lock");
  pthread_spin_lock(&spin);
  int other = -1;
  std::thread([&] { other = pthread_spin_trylock(&spin); }).join();
  expect_equal(other, EBUSY, "trylock of a held spin lock");
  pthread_spin_unlock(&spin);
  pthread_spin_destroy(&spin);
}

void once() {
  static pthread_once_t control = PTHREAD_ONCE_INIT;
  static std::atomic<int> runs{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 10; ++t)
    threads.emplace_back([] {
      pthread_once(&control, [] {
        usleep(20'000);
        runs.fetch_add(1);
      });
      expect_equal(runs.load(), 1, "done when pthread_once returns");
    });
  for (std::thread& thread : threads)
    thread.join();
}

void mutex_priority_inheritance_outlasts_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, nullptr);
  mutex m(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT);
  std::atomic<bool> inside{true};
  pthread_mutex_lock(m);
  std::thread other([&] {
    expect_equal(pthread_mutex_lock(m), 0, "lock");
    expect(!inside.load(), "only when it is free");
    pthread_mutex_unlock(m);
  });
  usleep(40'000);
  pthread_kill(other.native_handle(), SIGUSR1);
  usleep(40'000);
  inside.store(false);
  pthread_mutex_unlock(m);
  other.join();
  signal(SIGUSR1, SIG_DFL);
}

void mutex_robust_of_a_killed_process() {
  void* shared = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* m = static_cast<pthread_mutex_t*>(shared);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(m, &attributes);
  pthread_mutexattr_destroy(&attributes);
  std::thread([m] {
    const pid_t child = fork();
    if (child == 0) {
      pthread_mutex_lock(m);
      kill(getpid(), SIGKILL);
    }
    waitpid(child, nullptr, 0);
    expect_equal(pthread_mutex_lock(m), EOWNERDEAD, "lock");
    expect_equal(pthread_mutex_consistent(m), 0, "consistent");
    expect_equal(pthread_mutex_unlock(m), 0, "unlock");
  }).join();
  munmap(shared, 4096);
}

const checks registered{
    {"mutex_normal", mutex_normal},
    {"mutex_held_while_sleeping", mutex_held_while_sleeping},
    {"mutex_recursive", mutex_recursive},
    {"mutex_errorcheck", mutex_errorcheck},
    {"mutex_timed", mutex_timed},
    {"mutex_priority_inheritance", mutex_priority_inheritance},
    {"mutex_robust", mutex_robust},
    {"spin_lock", spin_lock},
    {"once", once},
    {"mutex_priority_inheritance_outlasts_signals", mutex_priority_inheritance_outlasts_signals},
    {"mutex_robust_of_a_killed_process", mutex_robust_of_a_killed_process},
};

} // namespace
