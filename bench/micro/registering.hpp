// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>

#include "bench/micro/measuring.hpp"

/// How cases are made known to Google Benchmark, whatever they are written for.
namespace bench {

inline benchmark::internal::Benchmark* add(const char* name, void (*body)(benchmark::State&)) {
  return benchmark::RegisterBenchmark(name, body)->MeasureProcessCPUTime();
}
inline void add_once(const char* name, void (*body)(benchmark::State&)) {
  add(name, body)->Iterations(1);
}
/// Twice, since the first time also pays for fresh memory, once for all.
inline void add_twice(const char* name, void (*body)(benchmark::State&)) {
  add(name, body)->Iterations(1)->Repetitions(2);
}

/// Spawns and joins so many at a time.
using batches = void (*)(benchmark::State&, std::size_t count);
template <batches Body>
void add_spawn_join() {
  add("spawn_join", [](benchmark::State& state) {
    Body(state, static_cast<std::size_t>(state.range(0)));
  })->Arg(1000);
}
template <batches Body>
void add_spawn_join_many() {
  add_twice("spawn_join/many", [](benchmark::State& state) { Body(state, many()); });
}

} // namespace bench
