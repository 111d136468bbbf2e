// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <vector>

#include "bench/micro/measuring.hpp"

/// What an operation costs while there are so many fibers.
namespace bench {

constexpr double long_enough = 1e8; // nanoseconds

/// Does `round`, of so many operations, until that took long enough, and reports one's time.
template <class Round>
void time_rounds(benchmark::State& state, double operations, Round round) {
  round();
  const double begin = processor_time();
  double rounds = 0;
  do {
    round();
    ++rounds;
  } while (processor_time() - begin < long_enough);
  state.counters["ns"] = (processor_time() - begin) / (rounds * operations);
}

/// Fibers that all yield in turn.
template <class Library>
void yield_among(benchmark::State& state) {
  const auto fibers = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    bool over = false;
    std::vector<typename Library::handle> all;
    all.reserve(fibers);
    for (std::size_t i = 0; i < fibers; ++i)
      all.push_back(Library::spawn([&over] {
        while (!over)
          Library::yield();
      }));
    const std::size_t rounds = fibers < 1000 ? 1000 / fibers : 1;
    time_rounds(state, static_cast<double>(rounds * (fibers + 1)), [rounds] {
      for (std::size_t i = 0; i < rounds; ++i)
        Library::yield();
    });
    over = true;
    for (auto& fiber : all)
      fiber.join();
  }
}

/// Parked fibers, each of which is woken in its turn and parks again.
template <class Library>
void park_among(benchmark::State& state) {
  const auto fibers = static_cast<std::size_t>(state.range(0));
  constexpr std::size_t batch = 100; // woken at once
  for (auto _ : state) {
    bool over = false;
    std::deque<typename Library::semaphore> permits;
    std::vector<typename Library::handle> all;
    all.reserve(fibers);
    for (std::size_t i = 0; i < fibers; ++i) {
      permits.emplace_back(0);
      all.push_back(Library::spawn([&over, &mine = permits.back()] {
        while (!over)
          mine.acquire();
      }));
    }
    Library::yield();
    std::size_t next = 0;
    time_rounds(state, static_cast<double>(fibers < batch ? fibers * batch : batch), [&] {
      for (std::size_t woken = 0; woken < (fibers < batch ? batch : 1); ++woken) {
        for (std::size_t i = 0; i < (fibers < batch ? fibers : batch); ++i) {
          permits[next].release();
          if (++next == fibers) next = 0;
        }
        Library::yield();
      }
    });
    over = true;
    for (auto& each : permits)
      each.release();
    for (auto& fiber : all)
      fiber.join();
  }
}

/// A timer that is set and cancelled while so many fibers sleep.
template <class Library>
void timer_among(benchmark::State& state) {
  const auto fibers = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    std::vector<typename Library::handle> all;
    all.reserve(fibers);
    unsigned random = 1;
    for (std::size_t i = 0; i < fibers; ++i) {
      random = random * 1664525 + 1013904223;
      const std::chrono::seconds span(3600 + (random >> 8) % 3600);
      all.push_back(Library::spawn([span] { Library::sleep(span); }));
    }
    Library::yield();
    time_rounds(state, 1000, [] {
      for (int i = 0; i < 1000; ++i)
        Library::set_and_cancel_timer(std::chrono::seconds(1 + i));
    });
    for (auto& fiber : all)
      Library::abandon(fiber);
  }
}

/// Processor time a second while so many fibers sleep.
template <class Library>
void idle_among(benchmark::State& state) {
  const auto fibers = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    std::vector<typename Library::handle> all;
    all.reserve(fibers);
    for (std::size_t i = 0; i < fibers; ++i)
      all.push_back(Library::spawn([] { Library::sleep(std::chrono::hours(1)); }));
    Library::sleep(std::chrono::milliseconds(10)); // all are parked
    const double begin = processor_time();
    Library::sleep(std::chrono::seconds(1));
    state.counters["ns"] = processor_time() - begin;
    for (auto& fiber : all)
      Library::abandon(fiber);
  }
}

} // namespace bench
