// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <vector>

#include "bench/micro/measuring.hpp"

namespace bench {

template <class Library>
void spawn_join(benchmark::State& state, std::size_t fibers) {
  std::size_t ran = 0;
  std::vector<typename Library::handle> all;
  all.reserve(fibers);
  for (auto _ : state) {
    for (std::size_t i = 0; i < fibers; ++i)
      all.push_back(Library::spawn([&ran] { Library::count(ran); }));
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

/// A tree of fibers, each of which has ten children and adds up what they return: 1,111,111 for a
/// million leaves.
template <class Library>
void skynet(benchmark::State& state) {
  const long leaves = static_cast<long>(many());
  for (auto _ : state)
    if (Library::start([leaves] { return skynet_node<Library>(0, leaves); }).get() !=
        leaves * (leaves - 1) / 2)
      state.SkipWithError("wrong sum");
  state.counters["operations"] = 1;
}

/// Writes to so much of a stack, from its top.
[[gnu::noinline]] inline void touch_stack(std::size_t bytes) {
  auto* memory = static_cast<volatile char*>(__builtin_alloca(bytes));
  for (std::size_t at = 0; at < bytes; at += 4096)
    memory[at] = 1;
}

/// Fibers with larger stacks than usual, of which each writes to 16 KiB; a hundred at a time.
template <class Library>
void stack(benchmark::State& state) {
  std::vector<typename Library::handle> all;
  for (auto _ : state) {
    for (int i = 0; i < 100; ++i)
      all.push_back(Library::spawn_with_stack(256 << 10, [] { touch_stack(16 << 10); }));
    for (auto& fiber : all)
      fiber.join();
    all.clear();
  }
  state.counters["operations"] = 100;
}

} // namespace bench
