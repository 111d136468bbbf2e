// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>

#include "bench/micro/measuring.hpp"
#include "bench/micro/program.hpp"
#include "bench/micro/registering.hpp"
#include "bench/micro/switching.hpp"

/// The cases for C++20 coroutines, in the shape of those for fibers: what a fiber calls, a
/// coroutine awaits, and every function on the way is a coroutine too. A `Library` has
///
///     task<T>           what a coroutine returns
///     spawn(task)       queues it
///     run()             until nothing is left to do
///     yield()           an awaitable
///     sum_of(size, make)  a task<long>: the sum of what ten spawned tasks `make(i)` return
namespace bench::coroutines {

template <class Library, int Frames>
typename Library::template task<void> deep_yield() {
  if constexpr (Frames == 0)
    co_await Library::yield();
  else
    co_await deep_yield<Library, Frames - 1>();
}

template <class Library, int Frames>
typename Library::template task<void> yielding(std::size_t times) {
  for (std::size_t i = 0; i < times; ++i)
    if constexpr (Frames == 0)
      co_await Library::yield();
    else
      co_await deep_yield<Library, Frames>();
}

template <class Library, int Frames>
void yield(benchmark::State& state) {
  const auto fibers = static_cast<std::size_t>(state.range(0));
  const std::size_t each = 100'000 / fibers;
  for (auto _ : state) {
    for (std::size_t i = 0; i < fibers; ++i)
      Library::spawn(yielding<Library, Frames>(each));
    Library::run();
  }
  state.counters["operations"] = static_cast<double>(fibers * each);
}

template <class Library>
typename Library::template task<void> yield_and_throw() {
  co_await Library::yield();
  throw 1;
}
template <class Library>
typename Library::template task<void> throwing() {
  for (int i = 0; i < turns; ++i)
    try {
      co_await yield_and_throw<Library>();
    } catch (int) {
    }
}
template <class Library>
void exception(benchmark::State& state) {
  for (auto _ : state) {
    for (int i = 0; i < 2; ++i)
      Library::spawn(throwing<Library>());
    Library::run();
  }
  state.counters["operations"] = 2 * turns;
}

template <class Library>
typename Library::template task<void> counting(std::size_t& ran) {
  ++ran;
  co_return;
}
template <class Library>
void spawn_join(benchmark::State& state, std::size_t fibers) {
  std::size_t ran = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < fibers; ++i)
      Library::spawn(counting<Library>(ran));
    Library::run();
  }
  if (ran != fibers * state.iterations()) state.SkipWithError("not every coroutine ran");
  state.counters["operations"] = static_cast<double>(fibers);
}

template <class Library>
typename Library::template task<long> skynet_node(long number, long size) {
  if (size == 1) co_return number;
  size /= 10;
  co_return co_await Library::sum_of(
      [number, size](long i) { return skynet_node<Library>(number + i * size, size); });
}
template <class Library>
typename Library::template task<void> skynet_root(long leaves, long& sum) {
  sum = co_await skynet_node<Library>(0, leaves);
}
template <class Library>
void skynet(benchmark::State& state) {
  const long leaves = static_cast<long>(many());
  for (auto _ : state) {
    long sum = 0;
    Library::spawn(skynet_root<Library>(leaves, sum));
    Library::run();
    if (sum != leaves * (leaves - 1) / 2) state.SkipWithError("wrong sum");
  }
  state.counters["operations"] = 1;
}

template <class Library>
void register_cases() {
  add("yield", &yield<Library, 0>)->Arg(2)->Arg(1000);
  add("yield_2_frames", &yield<Library, 2>)->Arg(2);
  add("yield_6_frames", &yield<Library, 6>)->Arg(2);
  add("exception", &exception<Library>);
  add_spawn_join<spawn_join<Library>>();
  add_spawn_join_many<spawn_join<Library>>();
  add_twice("skynet", &skynet<Library>);
}

} // namespace bench::coroutines
