// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include "bench/micro/program.hpp"

/// The cases, written once for every library of fibers. A `Library` has
///
///     spawn(f)      queues a fiber; its handle has join()
///     start(f)      the same with a result; its handle has get()
///     yield()
///     sleep(span)
///     mutex, condition_variable
///     after_unlock()  what it takes that one who waits for a mutex gets it: nothing, or a yield
///     semaphore       if it has one
///
/// Each reports how many operations an iteration is, in the counter "operations".
namespace bench {

/// `count` fibers yield in turn, from as many calls deep as `Frames` says.
template <class Library, int Frames>
struct deep {
  [[gnu::noinline]] static void yield() {
    deep<Library, Frames - 1>::yield();
    asm volatile(""); // no tail call
  }
};
template <class Library>
struct deep<Library, 0> {
  static void yield() { Library::yield(); }
};

template <class Library, int Frames>
void yield(benchmark::State& state) {
  const auto fibers = static_cast<std::size_t>(state.range(0));
  const std::size_t each = 400'000 / fibers;
  for (auto _ : state) {
    std::vector<typename Library::handle> all;
    all.reserve(fibers);
    for (std::size_t i = 0; i < fibers; ++i)
      all.push_back(Library::spawn([each] {
        for (std::size_t j = 0; j < each; ++j)
          deep<Library, Frames>::yield();
      }));
    for (auto& fiber : all)
      fiber.join();
  }
  state.counters["operations"] = static_cast<double>(fibers * each);
}

template <class Library>
void spawn_join(benchmark::State& state) {
  const auto fibers = static_cast<std::size_t>(state.range(0));
  std::size_t ran = 0;
  std::vector<typename Library::handle> all;
  all.reserve(fibers);
  for (auto _ : state) {
    for (std::size_t i = 0; i < fibers; ++i)
      all.push_back(Library::spawn([&ran] { ++ran; }));
    for (auto& fiber : all)
      fiber.join();
    all.clear();
  }
  if (ran != fibers * state.iterations()) state.SkipWithError("not every fiber ran");
  state.counters["operations"] = static_cast<double>(fibers);
}

template <class Library>
long skynet_node(long number, long size) {
  if (size == 1) return number;
  using result = decltype(Library::start([] { return 0L; }));
  std::vector<result> children;
  children.reserve(10);
  size /= 10;
  for (long i = 0; i < 10; ++i)
    children.push_back(Library::start(
        [number, size, i] { return skynet_node<Library>(number + i * size, size); }));
  long sum = 0;
  for (auto& child : children)
    sum += child.get();
  return sum;
}

/// A tree of fibers, each of which has ten children and adds up what they return: 1,111,111.
template <class Library>
void skynet(benchmark::State& state) {
  const long leaves = state.range(0);
  for (auto _ : state)
    if (Library::start([leaves] { return skynet_node<Library>(0, leaves); }).get() !=
        leaves * (leaves - 1) / 2)
      state.SkipWithError("wrong sum");
  state.counters["operations"] = 1;
}

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

/// The same for pthreads: std::mutex is no more than that.
inline void thread_mutex(benchmark::State& state) {
  std::mutex mutex;
  lock_and_unlock(state, mutex);
}

constexpr int turns = 100'000; // of each of two fibers

/// Two fibers, each of which wants what the other has.
template <class Library, class Body>
void two_fibers(benchmark::State& state, Body body) {
  for (auto _ : state) {
    std::vector<typename Library::handle> both;
    for (const int me : {0, 1})
      both.push_back(Library::spawn([&body, me] { body(me); }));
    for (auto& fiber : both)
      fiber.join();
  }
  state.counters["operations"] = 2 * turns;
}

template <class Library>
void mutex_handed_over(benchmark::State& state) {
  typename Library::mutex mutex;
  two_fibers<Library>(state, [&](int) {
    mutex.lock();
    Library::yield(); // now the other one waits
    for (int i = 0; i < turns; ++i) {
      mutex.unlock();
      Library::after_unlock();
      mutex.lock();
    }
    mutex.unlock();
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
  Library::spawn([&] { lock_and_unlock(state, permits); }).join();
}

template <class Library>
void semaphore_ping_pong(benchmark::State& state) {
  typename Library::semaphore permits[2] = {typename Library::semaphore(1),
                                            typename Library::semaphore(0)};
  two_fibers<Library>(state, [&](int me) {
    for (int i = 0; i < turns; ++i) {
      permits[me].acquire();
      permits[1 - me].release();
    }
  });
}

/// Resident bytes and page tables of the process.
inline double memory_in_use() {
  std::FILE* status = std::fopen("/proc/self/status", "r");
  char line[256];
  double bytes = 0;
  while (std::fgets(line, sizeof line, status))
    for (const char* field : {"VmRSS:", "VmPTE:"})
      if (std::strncmp(line, field, 6) == 0) bytes += std::strtod(line + 6, nullptr) * 1024;
  std::fclose(status);
  return bytes;
}

/// Starts fibers that sleep; "bytes" is what one takes, its handle included, and the time is that
/// of starting them all and letting each park.
template <class Library>
void sleepers(benchmark::State& state) {
  const auto fibers = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    Library::spawn([] {}).join();
    const double before = memory_in_use();
    std::vector<typename Library::handle> all;
    all.reserve(fibers);
    std::size_t asleep = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    bool over = false;
    for (std::size_t i = 0; i < fibers; ++i)
      all.push_back(Library::spawn([&] {
        ++asleep;
        while (!over && std::chrono::steady_clock::now() < end)
          Library::sleep(std::chrono::seconds(60));
      }));
    while (asleep < fibers) // NOLINT(bugprone-infinite-loop): the fibers count
      Library::yield();
    state.PauseTiming();
    state.counters["bytes"] = (memory_in_use() - before) / static_cast<double>(fibers);
    // Waking them belongs to no row, and Boost.Fiber's could not be woken: the process ends.
    state.counters["operations"] = static_cast<double>(fibers);
    state.ResumeTiming();
    for (auto& fiber : all)
      Library::abandon(fiber);
  }
}

template <class Library>
void register_cases(std::size_t most_sleepers) {
  using benchmark::RegisterBenchmark;
  const auto cpu = [](benchmark::internal::Benchmark* b) { b->MeasureProcessCPUTime(); };
  cpu(RegisterBenchmark("yield", &yield<Library, 0>)->Arg(2)->Arg(1000));
  cpu(RegisterBenchmark("yield_6_frames", &yield<Library, 6>)->Arg(2));
  cpu(RegisterBenchmark("spawn_join", &spawn_join<Library>)->Arg(1000));
  // Twice, since the first time also pays for fresh memory, once for all.
  const auto twice = [](benchmark::internal::Benchmark* b) {
    b->Iterations(1)->Repetitions(2)->MeasureProcessCPUTime();
  };
  twice(RegisterBenchmark("spawn_join", &spawn_join<Library>)->Arg(1'000'000));
  twice(RegisterBenchmark("skynet", &skynet<Library>)->Arg(1'000'000));
  cpu(RegisterBenchmark("mutex", &mutex<Library>));
  cpu(RegisterBenchmark("mutex_handed_over", &mutex_handed_over<Library>));
  cpu(RegisterBenchmark("condition_ping_pong", &condition_ping_pong<Library>));
  if constexpr (requires { typename Library::semaphore; }) {
    cpu(RegisterBenchmark("semaphore", &semaphore<Library>));
    cpu(RegisterBenchmark("semaphore_ping_pong", &semaphore_ping_pong<Library>));
  }
  cpu(RegisterBenchmark("sleepers", &sleepers<Library>)
          ->Arg(static_cast<long>(most_sleepers))
          ->Iterations(1));
}

} // namespace bench
