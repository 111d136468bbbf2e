// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include "bench/micro/measuring.hpp"

namespace bench {

/// Starts fibers that sleep; "bytes" is what one takes, its handle included, and the time is that
/// of starting them all and letting each park.
template <class Library>
void sleepers(benchmark::State& state) {
  const std::size_t fibers = many(Library::most);
  for (auto _ : state) {
    Library::spawn([] {}).join();
    const double before = memory_in_use();
    std::vector<typename Library::handle> all;
    all.reserve(fibers);
    std::size_t asleep = 0;
    for (std::size_t i = 0; i < fibers; ++i)
      all.push_back(Library::spawn([&] {
        Library::count(asleep);
        while (true)
          Library::sleep(std::chrono::hours(1));
      }));
    while (static_cast<volatile std::size_t&>(asleep) < fibers)
      Library::yield();
    state.PauseTiming();
    state.counters["bytes"] = (memory_in_use() - before) / static_cast<double>(fibers);
    state.counters["operations"] = static_cast<double>(fibers);
    state.ResumeTiming();
    // Nobody wakes them: the process ends.
    for (auto& fiber : all)
      Library::abandon(fiber);
  }
}

/// Every fiber sleeps once, all until different times within a second.
template <class Library>
void timers(benchmark::State& state) {
  const std::size_t fibers = many(Library::most);
  std::vector<typename Library::handle> all;
  all.reserve(fibers);
  for (auto _ : state) {
    unsigned random = 1;
    for (std::size_t i = 0; i < fibers; ++i) {
      random = random * 1664525 + 1013904223;
      const std::chrono::microseconds span((random >> 8) % 1'000'000);
      all.push_back(Library::spawn([span] { Library::sleep(span); }));
    }
    for (auto& fiber : all)
      fiber.join();
    all.clear();
  }
  state.counters["operations"] = static_cast<double>(fibers);
}

/// By how much a sleep of a millisecond is too long: the median. Wall time.
template <class Library>
void sleep_late(benchmark::State& state) {
  constexpr double span = 1e6;
  std::vector<double> late;
  for (auto _ : state)
    Library::spawn([&late] {
      for (int i = 0; i < 100; ++i) {
        const double begin = wall_time();
        Library::sleep(std::chrono::nanoseconds(static_cast<long>(span)));
        late.push_back(wall_time() - begin - span);
      }
    }).join();
  std::nth_element(late.begin(), late.begin() + static_cast<long>(late.size() / 2), late.end());
  state.counters["ns"] = late[late.size() / 2];
}

} // namespace bench
