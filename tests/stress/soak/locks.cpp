// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/soak/scene.hpp"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

namespace {

using namespace soak;

/// A mutex of some kind, taken in some way, guards a plain counter.
void counters(chance& c) {
  const int kinds[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                       PTHREAD_MUTEX_ADAPTIVE_NP};
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, kinds[c.between(0, 3)]);
  if (c.one_in(3)) pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  if (c.one_in(3)) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_t lock;
  pthread_mutex_init(&lock, &attributes);
  pthread_mutexattr_destroy(&attributes);
  const int threads = c.between(2, c.one_in(10) ? 200 : 20);
  const int turns = c.between(1, 2000 / threads + 20);
  long plain = 0;
  {
    std::vector<thread> all;
    for (int i = 0; i < threads; ++i)
      all.emplace_back([&, own = c.split()]() mutable {
        for (int turn = 0; turn < turns; ++turn) {
          int locked = EBUSY;
          while (locked != 0) {
            if (own.one_in(6)) {
              const timespec until = soon(CLOCK_REALTIME, own);
              locked = pthread_mutex_timedlock(&lock, &until);
              if (locked == ETIMEDOUT) continue;
            } else if (own.one_in(6)) {
              locked = pthread_mutex_trylock(&lock);
              if (locked == EBUSY) {
                dawdle(own);
                continue;
              }
            } else {
              locked = pthread_mutex_lock(&lock);
            }
            expect_equal(locked, 0, "locking");
          }
          const long before = plain;
          if (own.one_in(20)) dawdle(own);
          plain = before + 1;
          expect_equal(pthread_mutex_unlock(&lock), 0, "unlocking");
        }
      });
  }
  expect_equal(plain, long{threads} * turns, "turns under a mutex");
  expect_equal(pthread_mutex_destroy(&lock), 0, "destroying a mutex that nobody has");
}

/// A bounded queue: each item leaves it exactly once.
void queue(chance& c) {
  std::mutex lock;
  std::condition_variable not_empty, not_full;
  std::deque<long> items;
  bool closed = false;
  const auto room = static_cast<std::size_t>(c.between(1, 30));
  const int producers = c.between(1, 10);
  const int consumers = c.between(1, 10);
  const int each = c.between(1, 500);
  std::atomic<long> sum{0}, count{0};
  std::vector<thread> eaters;
  for (int i = 0; i < consumers; ++i)
    eaters.emplace_back([&, own = c.split()]() mutable {
      for (;;) {
        std::unique_lock guard(lock);
        if (own.one_in(3)) {
          while (!not_empty.wait_for(guard, std::chrono::microseconds(own.between(1, 2000)),
                                     [&] { return closed || !items.empty(); }))
            ;
        } else {
          not_empty.wait(guard, [&] { return closed || !items.empty(); });
        }
        if (items.empty()) return;
        sum += items.front();
        ++count;
        items.pop_front();
        guard.unlock();
        not_full.notify_one();
        if (own.one_in(10)) dawdle(own);
      }
    });
  {
    std::vector<thread> makers;
    for (int i = 0; i < producers; ++i)
      makers.emplace_back([&, i, own = c.split()]() mutable {
        for (int n = 0; n < each; ++n) {
          std::unique_lock guard(lock);
          not_full.wait(guard, [&] { return items.size() < room; });
          items.push_back(long{i} * each + n);
          guard.unlock();
          not_empty.notify_one();
          if (own.one_in(10)) dawdle(own);
        }
      });
  }
  {
    const std::lock_guard guard(lock);
    closed = true;
  }
  not_empty.notify_all();
  eaters.clear();
  const long all = long{producers} * each;
  expect_equal(count, all, "items");
  expect_equal(sum, all * (all - 1) / 2, "the items' sum");
}

/// Tokens go round by semaphores; none is lost, none doubled.
void token_ring(chance& c) {
  const int members = c.between(2, c.one_in(10) ? 150 : 20);
  const int rounds = c.between(1, 40);
  const int tokens = c.between(1, 3);
  const std::unique_ptr<sem_t[]> turns(new sem_t[static_cast<std::size_t>(members)]);
  for (int i = 0; i < members; ++i)
    sem_init(&turns[static_cast<std::size_t>(i)], 0, 0);
  std::atomic<long> steps{0};
  {
    std::vector<thread> ring;
    for (int i = 0; i < members; ++i)
      ring.emplace_back([&, i, own = c.split()]() mutable {
        sem_t& mine = turns[static_cast<std::size_t>(i)];
        sem_t& next = turns[static_cast<std::size_t>((i + 1) % members)];
        for (int n = 0; n < rounds * tokens; ++n) {
          for (;;) {
            int taken = -1;
            if (own.one_in(4)) {
              const timespec until = soon(CLOCK_REALTIME, own);
              taken = sem_timedwait(&mine, &until);
            } else {
              taken = sem_wait(&mine);
            }
            if (taken == 0) break;
            if (errno != EINTR && errno != ETIMEDOUT) fail("sem_wait", errno, 0);
          }
          ++steps;
          if (own.one_in(20)) dawdle(own);
          expect_equal(sem_post(&next), 0, "sem_post");
        }
      });
    for (int i = 0; i < tokens; ++i)
      sem_post(&turns[0]);
  }
  expect_equal(steps, long{members} * rounds * tokens, "steps of the tokens");
  int left = 0;
  for (int i = 0; i < members; ++i) {
    int value = 0;
    sem_getvalue(&turns[static_cast<std::size_t>(i)], &value);
    left += value;
    sem_destroy(&turns[static_cast<std::size_t>(i)]);
  }
  expect_equal(left, tokens, "tokens in the end");
}

/// Whoever reads sees what one writer wrote as a whole.
void readers_and_writers(chance& c) {
  pthread_rwlock_t lock;
  pthread_rwlockattr_t attributes;
  pthread_rwlockattr_init(&attributes);
  if (c.one_in(2))
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init(&lock, &attributes);
  pthread_rwlockattr_destroy(&attributes);
  const int readers = c.between(1, 15);
  const int writers = c.between(1, 6);
  const int turns = c.between(1, 80);
  long first = 0, second = 0;
  std::atomic<long> reads{0};
  {
    std::vector<thread> all;
    for (int i = 0; i < readers + writers; ++i)
      all.emplace_back([&, i, own = c.split()]() mutable {
        for (int n = 0; n < turns; ++n) {
          if (i < readers) {
            expect_equal(pthread_rwlock_rdlock(&lock), 0, "rdlock");
            expect_equal(first, second, "two counters read under one lock");
            ++reads;
          } else {
            expect_equal(pthread_rwlock_wrlock(&lock), 0, "wrlock");
            ++first;
            if (own.one_in(5)) dawdle(own);
            ++second;
          }
          expect_equal(pthread_rwlock_unlock(&lock), 0, "rwlock_unlock");
          if (own.one_in(5)) dawdle(own);
        }
      });
  }
  expect_equal(first, long{writers} * turns, "writes");
  expect_equal(reads, long{readers} * turns, "reads");
  pthread_rwlock_destroy(&lock);
}

void barriers(chance& c) {
  const int members = c.between(1, 30);
  const int cycles = c.between(1, 30);
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, nullptr, static_cast<unsigned>(members));
  std::atomic<long> arrived{0}, chosen{0};
  {
    std::vector<thread> all;
    for (int i = 0; i < members; ++i)
      all.emplace_back([&, own = c.split()]() mutable {
        for (int cycle = 1; cycle <= cycles; ++cycle) {
          if (own.one_in(5)) dawdle(own);
          ++arrived;
          const int role = pthread_barrier_wait(&barrier);
          if (role == PTHREAD_BARRIER_SERIAL_THREAD)
            ++chosen;
          else
            expect_equal(role, 0, "pthread_barrier_wait");
          expect_at_least(arrived, long{members} * cycle, "arrived before anybody went on");
        }
      });
  }
  expect_equal(chosen, cycles, "serial threads, one a cycle");
  pthread_barrier_destroy(&barrier);
}

/// The next one learns that the owner has died, and nobody else does.
void robust(chance& c) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_t lock;
  pthread_mutex_init(&lock, &attributes);
  pthread_mutexattr_destroy(&attributes);
  const int threads = c.between(1, 30);
  std::atomic<long> deaths{0}, found{0};
  {
    std::vector<thread> all;
    for (int i = 0; i < threads; ++i)
      all.emplace_back([&, own = c.split()]() mutable {
        const int locked = pthread_mutex_lock(&lock);
        if (locked == EOWNERDEAD) {
          ++found;
          expect_equal(pthread_mutex_consistent(&lock), 0, "pthread_mutex_consistent");
        } else {
          expect_equal(locked, 0, "locking a robust mutex");
        }
        dawdle(own);
        if (own.one_in(2))
          ++deaths; // and ends with it
        else
          expect_equal(pthread_mutex_unlock(&lock), 0, "unlocking a robust mutex");
      });
  }
  const int last = pthread_mutex_lock(&lock);
  if (last == EOWNERDEAD) {
    ++found;
    pthread_mutex_consistent(&lock);
  }
  expect_equal(found, deaths, "owners found dead");
  pthread_mutex_unlock(&lock);
  pthread_mutex_destroy(&lock);
}

/// Threads that make threads, some of them detached.
void families(chance& c) {
  std::atomic<long> ended{0};
  const int parents = c.between(1, 20);
  const int children = c.between(0, 10);
  sem_t done;
  sem_init(&done, 0, 0);
  {
    std::vector<thread> all;
    for (int i = 0; i < parents; ++i)
      all.emplace_back(
          [&, own = c.split()]() mutable {
            for (int n = 0; n < children; ++n) {
              pthread_attr_t attributes;
              pthread_attr_init(&attributes);
              pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
              struct share {
                std::atomic<long>* ended;
                sem_t* done;
              };
              pthread_t id = 0;
              const int made = pthread_create(
                  &id, &attributes,
                  [](void* argument) -> void* {
                    const std::unique_ptr<share> s(static_cast<share*>(argument));
                    ++*s->ended;
                    sem_post(s->done);
                    return nullptr;
                  },
                  new share{&ended, &done});
              expect_equal(made, 0, "pthread_create");
              pthread_attr_destroy(&attributes);
              if (own.one_in(3)) dawdle(own);
            }
          },
          c.one_in(2) ? c.between(16, 256) : 0);
    for (int n = 0; n < parents * children; ++n)
      uninterrupted([&] { return sem_wait(&done); });
  }
  expect_equal(ended, long{parents} * children, "detached threads");
  sem_destroy(&done);
}

const scenes registered{
    {"counters", counters},     {"queue", queue},
    {"token_ring", token_ring}, {"readers_and_writers", readers_and_writers},
    {"barriers", barriers},     {"robust", robust},
    {"families", families},
};

} // namespace
