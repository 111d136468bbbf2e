// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <vector>

namespace bench {

constexpr int turns = 50'000; // of each of two fibers

/// Two fibers that do the same.
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

/// A yield from as many calls deep as `Frames` says.
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

/// So many fibers yield in turn.
template <class Library, int Frames>
void yield(benchmark::State& state) {
  const auto fibers = static_cast<std::size_t>(state.range(0));
  const std::size_t each = 100'000 / fibers;
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
[[gnu::noinline]] void yield_and_throw() {
  Library::yield();
  throw 1;
}

/// Each of two fibers throws after it was switched away from, in the same try block.
template <class Library>
void exception(benchmark::State& state) {
  two_fibers<Library>(state, [](int) {
    for (int i = 0; i < turns; ++i)
      try {
        yield_and_throw<Library>();
      } catch (int) {
      }
  });
}

/// Each of two fibers is switched away from while it handles an exception. Only for libraries that
/// give each fiber its own exceptions.
template <class Library>
void exception_held(benchmark::State& state) {
  two_fibers<Library>(state, [](int) {
    for (int i = 0; i < turns; ++i)
      try {
        throw 1;
      } catch (int) {
        Library::yield();
      }
  });
}

} // namespace bench
