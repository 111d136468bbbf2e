// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/soak/scene.hpp"

#include <cerrno>
#include <csignal>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace {

using namespace soak;

constexpr int room_at_most = 16;

/// A bounded queue that two processes share.
struct shared_queue {
  pthread_mutex_t lock;
  pthread_cond_t not_empty, not_full;
  sem_t ended; // consumers that have
  int room;
  int count = 0;
  long items[room_at_most];
  bool closed = false;
  long taken = 0, sum = 0;

  explicit shared_queue(chance& c) : room(c.between(1, room_at_most)) {
    pthread_mutexattr_t mutex_kind;
    pthread_mutexattr_init(&mutex_kind);
    pthread_mutexattr_setpshared(&mutex_kind, PTHREAD_PROCESS_SHARED);
    if (c.one_in(3)) pthread_mutexattr_setrobust(&mutex_kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&lock, &mutex_kind);
    pthread_mutexattr_destroy(&mutex_kind);
    pthread_condattr_t kind;
    pthread_condattr_init(&kind);
    pthread_condattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&not_empty, &kind);
    pthread_cond_init(&not_full, &kind);
    pthread_condattr_destroy(&kind);
    sem_init(&ended, 1, 0);
  }

  /// For a while at most, sometimes: the condition is looked at again anyway.
  void wait(pthread_cond_t& condition, chance& c) {
    if (!c.one_in(3)) {
      expect_equal(pthread_cond_wait(&condition, &lock), 0, "pthread_cond_wait");
      return;
    }
    const timespec until = soon(CLOCK_REALTIME, c);
    const int result = pthread_cond_timedwait(&condition, &lock, &until);
    if (result != ETIMEDOUT) expect_equal(result, 0, "pthread_cond_timedwait");
  }

  void put(long item, chance& c) {
    expect_equal(pthread_mutex_lock(&lock), 0, "locking");
    while (count == room)
      wait(not_full, c);
    items[count++] = item;
    pthread_cond_signal(&not_empty);
    expect_equal(pthread_mutex_unlock(&lock), 0, "unlocking");
  }
  bool take(chance& c) {
    expect_equal(pthread_mutex_lock(&lock), 0, "locking");
    while (count == 0 && !closed)
      wait(not_empty, c);
    const bool any = count > 0;
    if (any) {
      sum += items[--count];
      ++taken;
      pthread_cond_signal(&not_full);
    }
    expect_equal(pthread_mutex_unlock(&lock), 0, "unlocking");
    return any;
  }
  void close() {
    expect_equal(pthread_mutex_lock(&lock), 0, "locking");
    closed = true;
    pthread_cond_broadcast(&not_empty);
    expect_equal(pthread_mutex_unlock(&lock), 0, "unlocking");
  }
};

void consume(shared_queue& q, chance own) {
  while (q.take(own))
    if (own.one_in(10)) dawdle(own);
  sem_post(&q.ended);
}

/// Threads of a process and of its child pass items by a process-shared mutex and conditions.
void two_processes(chance& c) {
  void* at = mmap(nullptr, sizeof(shared_queue), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                  -1, 0);
  if (at == MAP_FAILED) fail("mmap", -errno, 0);
  auto& q = *new (at) shared_queue(c);
  const int childs = c.between(1, 4), own = c.between(0, 3);
  const int producers = c.between(1, 4), each = c.between(1, 200);
  const chance seed_of_child = c.split();
  const pid_t child = fork();
  if (child < 0) fail("fork", -errno, 0);
  if (child == 0) {
    // If the parent fails nobody else ends this one.
    signal(SIGALRM, SIG_DFL);
    alarm(120);
    {
      chance mine = seed_of_child;
      std::vector<thread> all;
      for (int i = 0; i < childs; ++i)
        all.emplace_back([&q, c = mine.split()] { consume(q, c); });
    }
    _exit(7);
  }
  {
    std::vector<thread> consumers;
    for (int i = 0; i < own; ++i)
      consumers.emplace_back([&q, c = c.split()] { consume(q, c); });
    {
      std::vector<thread> makers;
      for (int i = 0; i < producers; ++i)
        makers.emplace_back([&, i, c = c.split()]() mutable {
          for (int n = 0; n < each; ++n) {
            q.put(long{i} * each + n, c);
            if (c.one_in(20)) dawdle(c);
          }
        });
    }
    q.close();
  }
  for (int i = 0; i < childs + own; ++i)
    uninterrupted([&] { return sem_wait(&q.ended); });
  int status = 0;
  expect_equal(uninterrupted([&] { return waitpid(child, &status, 0); }), child, "waitpid");
  expect_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 7, "the other process's end");
  const long all = long{producers} * each;
  expect_equal(q.taken, all, "items between processes");
  expect_equal(q.sum, all * (all - 1) / 2, "the items' sum");
  munmap(at, sizeof(shared_queue));
}

const scenes registered{{"two_processes", two_processes}};

} // namespace
