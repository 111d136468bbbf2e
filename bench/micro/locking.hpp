// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <benchmark/benchmark.h>

#include <mutex>

#include "bench/micro/switching.hpp"

namespace bench {

/// Locks and unlocks what nobody else wants.
template <class Mutex>
void lock_and_unlock(benchmark::State& state, Mutex& mutex) {
  for (auto _ : state)
    for (int i = 0; i < 1000; ++i) {
      mutex.lock();
      mutex.unlock();
    }
  state.counters["operations"] = 1000;
}

template <class Library>
void mutex(benchmark::State& state) {
  typename Library::mutex mutex;
  Library::spawn([&] { lock_and_unlock(state, mutex); }).join();
}

/// Two fibers, each of which wants what the other has: it is held over a yield.
template <class Library>
void mutex_handed_over(benchmark::State& state) {
  typename Library::mutex mutex;
  two_fibers<Library>(state, [&](int) {
    for (int i = 0; i < turns; ++i) {
      mutex.lock();
      Library::yield(); // the other one comes and waits
      mutex.unlock();
    }
  });
}

template <class Library>
void condition_ping_pong(benchmark::State& state) {
  typename Library::mutex mutex;
  typename Library::condition_variable changed;
  int turn = 0;
  two_fibers<Library>(state, [&](int me) {
    for (int i = 0; i < turns; ++i) {
      std::unique_lock<typename Library::mutex> held(mutex);
      while (turn != me)
        changed.wait(held);
      turn = 1 - me;
      changed.notify_one();
    }
  });
}

template <class Library>
void semaphore(benchmark::State& state) {
  typename Library::semaphore permits(1);
  Library::spawn([&] {
    for (auto _ : state)
      for (int i = 0; i < 1000; ++i) {
        permits.acquire();
        permits.release();
      }
  }).join();
  state.counters["operations"] = 1000;
}

template <class Library>
void semaphore_ping_pong(benchmark::State& state) {
  typename Library::semaphore first(1), second(0);
  two_fibers<Library>(state, [&](int me) {
    for (int i = 0; i < turns; ++i) {
      (me == 0 ? first : second).acquire();
      (me == 0 ? second : first).release();
    }
  });
}

} // namespace bench
