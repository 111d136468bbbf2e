// SPDX-License-Identifier: BSL-1.0
//
// Process-shared objects between threads of several processes, some under weft and some native.
#include "tests/conformance/futexes/crowd.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <pthread.h>
#include <semaphore.h>

namespace {

using namespace conformance;

struct table {
  sem_t ping, pong;
  pthread_mutex_t mutex;
  pthread_cond_t condition;
  pthread_barrier_t barrier;
  pthread_rwlock_t rwlock;
  int value = 0;
  int turns = 0;
  std::atomic<unsigned> word{0};

  table() {
    sem_init(&ping, 1, 0);
    sem_init(&pong, 1, 0);
    pthread_mutexattr_t m;
    pthread_mutexattr_init(&m);
    pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&mutex, &m);
    pthread_condattr_t c;
    pthread_condattr_init(&c);
    pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&condition, &c);
    pthread_barrierattr_t b;
    pthread_barrierattr_init(&b);
    pthread_barrierattr_setpshared(&b, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&barrier, &b, 4);
    pthread_rwlockattr_t r;
    pthread_rwlockattr_init(&r);
    pthread_rwlockattr_setpshared(&r, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&rwlock, &r);
  }
};

void down(sem_t& s) {
  while (sem_wait(&s) != 0) {
  }
}

constexpr int rounds = 200;

void answer(table& t) {
  for (int i = 0; i < rounds; ++i) {
    down(t.ping);
    sem_post(&t.pong);
  }
}
void ask(table& t) {
  for (int i = 0; i < rounds; ++i) {
    sem_post(&t.ping);
    down(t.pong);
  }
}

template <class Body>
void with_threads(int count, Body body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&body, i] { body(i); });
  for (std::thread& thread : threads)
    thread.join();
}

const role answering{"answering", [](void* shared) {
                       answer(*static_cast<table*>(shared));
                       return 0;
                     }};
const role answering_in_a_thread{"answering in a thread", [](void* shared) {
                                   with_threads(1,
                                                [&](int) { answer(*static_cast<table*>(shared)); });
                                   return 0;
                                 }};

// Semaphores to and fro with another process: a thread here, a process of one thread or more there.
void semaphores() {
  for (const char* name : {"answering", "answering in a thread"})
    for (const runs how : {runs::natively, runs::as_this}) {
      const shared_object<table> t;
      const pid_t child = play(name, t, how);
      with_threads(1, [&](int) { ask(*t); });
      expect_equal(status_of(child), "exited 0", name);
    }
  const shared_object<table> t;
  with_threads(1, [&](int) {
    const pid_t child = in_child([&] {
      with_threads(1, [&](int) { answer(*t); });
      return 0;
    });
    ask(*t);
    expect_equal(status_of(child), "exited 0", "a forked child");
  });
}

// The same within one process, where the shared kind is not needed.
void semaphores_here() {
  const shared_object<table> t;
  std::thread other([&] { answer(*t); });
  ask(*t);
  other.join();
  table own;
  std::thread another([&] { answer(own); });
  ask(own);
  another.join();
}

// Two addresses of one word.
void two_mappings() {
  const shared_object<table> t;
  table* alias = t.alias();
  std::thread other([&] { answer(*alias); });
  ask(*t);
  other.join();
}

void count_up(table& t) {
  for (int i = 0; i < 500; ++i) {
    pthread_mutex_lock(&t.mutex);
    const int before = t.value;
    if (i % 16 == 0) sched_yield();
    t.value = before + 1;
    pthread_mutex_unlock(&t.mutex);
  }
}
const role counting{"counting", [](void* shared) {
                      with_threads(2, [&](int) { count_up(*static_cast<table*>(shared)); });
                      return 0;
                    }};

void mutexes() {
  const shared_object<table> t;
  const pid_t native = play("counting", t, runs::natively);
  const pid_t other = play("counting", t, runs::as_this);
  with_threads(3, [&](int) { count_up(*t); });
  expect_equal(status_of(native), "exited 0", "the native one");
  expect_equal(status_of(other), "exited 0", "the other one");
  expect_equal(t->value, 7 * 500, "the count");
}

void take_turns(table& t, int mine) {
  for (int i = 0; i < 50; ++i) {
    pthread_mutex_lock(&t.mutex);
    while (t.turns % 2 != mine)
      pthread_cond_wait(&t.condition, &t.mutex);
    ++t.turns;
    pthread_cond_broadcast(&t.condition);
    pthread_mutex_unlock(&t.mutex);
  }
}
const role turning{"turning", [](void* shared) {
                     take_turns(*static_cast<table*>(shared), 1);
                     return 0;
                   }};

void conditions() {
  for (const runs how : {runs::natively, runs::as_this}) {
    const shared_object<table> t;
    const pid_t child = play("turning", t, how);
    with_threads(1, [&](int) { take_turns(*t, 0); });
    expect_equal(status_of(child), "exited 0", "the other");
    expect_equal(t->turns, 100, "turns");
  }
}

void meet(table& t) {
  int serial = 0;
  for (int i = 0; i < 20; ++i) {
    if (pthread_barrier_wait(&t.barrier) == PTHREAD_BARRIER_SERIAL_THREAD) ++serial;
    pthread_rwlock_rdlock(&t.rwlock);
    pthread_rwlock_unlock(&t.rwlock);
  }
  pthread_rwlock_wrlock(&t.rwlock);
  t.value += serial;
  pthread_rwlock_unlock(&t.rwlock);
}
const role meeting{"meeting", [](void* shared) {
                     with_threads(1, [&](int) { meet(*static_cast<table*>(shared)); });
                     return 0;
                   }};

void barriers_and_rwlocks() {
  const shared_object<table> t;
  const pid_t native = play("meeting", t, runs::natively);
  const pid_t other = play("meeting", t, runs::as_this);
  with_threads(2, [&](int) { meet(*t); });
  expect_equal(status_of(native), "exited 0", "the native one");
  expect_equal(status_of(other), "exited 0", "the other one");
  expect_equal(t->value, 20, "each time one was the last");
}

// Whoever waits for another process holds nobody up here.
void others_go_on() {
  const shared_object<table> t;
  std::atomic<int> steps{0};
  std::thread waiter([&] {
    down(t->ping);
    steps.store(-1000);
  });
  std::thread worker([&] {
    for (int i = 0; i < 50; ++i) {
      usleep(1000);
      steps.fetch_add(1);
    }
  });
  worker.join();
  expect_equal(steps.load(), 50, "steps");
  const pid_t child = in_child([&] { return sem_post(&t->ping); });
  waiter.join();
  expect_equal(status_of(child), "exited 0", "the poster");
  expect_equal(steps.load(), -1000, "the waiter");
}

void times_out() {
  const shared_object<table> t;
  with_threads(2, [&](int) {
    const stopwatch watch;
    timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 50'000'000;
    if (until.tv_nsec >= 1'000'000'000) {
      until.tv_nsec -= 1'000'000'000;
      ++until.tv_sec;
    }
    expect_errno(sem_timedwait(&t->ping, &until), ETIMEDOUT, "sem_timedwait");
    timespec span{0, 30'000'000};
    expect_errno(syscall(SYS_futex, &t->word, FUTEX_WAIT, 0, &span, nullptr, 0), ETIMEDOUT,
                 "a relative time-out");
    watch.expect_between(75ms, 10s, "both");
    expect_errno(syscall(SYS_futex, &t->word, FUTEX_WAIT, 1, nullptr, nullptr, 0), EAGAIN,
                 "another value");
  });
}

void interrupted() {
  const handling handler(SIGUSR1, [](int) {});
  const handling restarting(
      SIGUSR2, [](int) {}, SA_RESTART);
  const shared_object<table> t;
  std::atomic<bool> interrupted{false}, done{false};
  std::thread waiter([&] {
    expect_errno(sem_wait(&t->ping), EINTR, "sem_wait and a handler");
    const blocked no_more{SIGUSR1};
    interrupted.store(true);
    expect_equal(sem_wait(&t->ping), 0, "sem_wait and a handler with SA_RESTART");
    done.store(true);
  });
  let_others_block();
  wait_until(
      [&] {
        pthread_kill(waiter.native_handle(), SIGUSR1); // again: it may not have waited yet
        return interrupted.load();
      },
      "interrupted");
  let_others_block();
  pthread_kill(waiter.native_handle(), SIGUSR2);
  let_others_block();
  expect(!done.load(), "still waiting");
  sem_post(&t->ping);
  waiter.join();
}

void cancelled() {
  const shared_object<table> t;
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void* semaphore) -> void* {
        sem_wait(static_cast<sem_t*>(semaphore));
        return nullptr;
      },
      &t->ping);
  let_others_block();
  pthread_cancel(thread);
  void* result = nullptr;
  pthread_join(thread, &result);
  expect(result == PTHREAD_CANCELED, "cancelled in sem_wait");
}

// How many a wake reaches, over processes.
const role one_waiter{"one waiter", [](void* shared) {
                        auto& t = *static_cast<table*>(shared);
                        sem_post(&t.pong);
                        while (t.word.load() == 0)
                          syscall(SYS_futex, &t.word, FUTEX_WAIT, 0, nullptr, nullptr, 0);
                        return 0;
                      }};
void wake_counts() {
  const shared_object<table> t;
  const pid_t native = play("one waiter", t, runs::natively);
  const pid_t other = play("one waiter", t, runs::as_this);
  std::thread here([&] {
    sem_post(&t->pong);
    while (t->word.load() == 0)
      syscall(SYS_futex, &t->word, FUTEX_WAIT, 0, nullptr, nullptr, 0);
  });
  for (int i = 0; i < 3; ++i)
    down(t->pong);
  long woken = 0;
  // They will wait sooner or later; a wake may hit one that then waits again.
  wait_until(
      [&] {
        woken = syscall(SYS_futex, &t->word, FUTEX_REQUEUE, 0, 100, &t->word, 0);
        return woken == 3;
      },
      "three waiters");
  t->word.store(1);
  expect_equal(syscall(SYS_futex, &t->word, FUTEX_WAKE, 2, nullptr, nullptr, 0), 2, "two of three");
  expect_equal(syscall(SYS_futex, &t->word, FUTEX_WAKE, 100, nullptr, nullptr, 0), 1, "the third");
  expect_equal(syscall(SYS_futex, &t->word, FUTEX_WAKE, 100, nullptr, nullptr, 0), 0, "no other");
  here.join();
  expect_equal(status_of(native), "exited 0", "the native one");
  expect_equal(status_of(other), "exited 0", "the other one");
}

#define BOTH_WAYS(check)                                                                           \
  {#check, check}, {                                                                               \
#check "_in_a_crowd", in_a_crowd < check>                                                      \
  }

const checks registered{
    BOTH_WAYS(semaphores),   BOTH_WAYS(semaphores_here), BOTH_WAYS(two_mappings),
    BOTH_WAYS(mutexes),      BOTH_WAYS(conditions),      BOTH_WAYS(barriers_and_rwlocks),
    BOTH_WAYS(others_go_on), BOTH_WAYS(times_out),       BOTH_WAYS(interrupted),
    BOTH_WAYS(cancelled),    BOTH_WAYS(wake_counts),
};

} // namespace
