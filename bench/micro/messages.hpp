// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <benchmark/benchmark.h>

#include <utility>

#include "bench/micro/switching.hpp"

namespace bench {

/// There and back, by two channels without a buffer; an operation is one message.
template <class Library>
void channel(benchmark::State& state) {
  typename Library::channel there, back;
  two_fibers<Library>(state, [&](int me) {
    for (int i = 0; i < turns; ++i)
      if (me == 0) {
        there.send(i);
        benchmark::DoNotOptimize(back.receive());
      } else {
        back.send(there.receive());
      }
  });
}

/// One fiber puts, another gets; there is room for 64.
template <class Library>
void queue(benchmark::State& state) {
  typename Library::queue items(64);
  two_fibers<Library>(state, [&](int me) {
    for (int i = 0; i < 2 * turns; ++i)
      if (me == 0)
        items.put(i);
      else
        benchmark::DoNotOptimize(items.get());
  });
}

/// One fiber makes a promise and waits for its future, the other one sets it.
template <class Library>
void future_get(benchmark::State& state) {
  typename Library::promise* wanted = nullptr;
  bool over = false;
  for (auto _ : state) {
    over = false;
    auto waiting = Library::spawn([&] {
      for (int i = 0; i < turns; ++i) {
        typename Library::promise promise;
        auto future = promise.get_future();
        wanted = &promise;
        benchmark::DoNotOptimize(future.get());
      }
      over = true;
    });
    auto setting = Library::spawn([&] {
      for (int i = 0; !over; ++i) {
        if (auto* promise = std::exchange(wanted, nullptr)) promise->set_value(i);
        Library::yield();
      }
    });
    waiting.join();
    setting.join();
  }
  state.counters["operations"] = turns;
}

/// Promises with a callback each, which are set; until all callbacks were called.
template <class Library>
void future_callback(benchmark::State& state) {
  constexpr int batch = 1000;
  for (auto _ : state) {
    int called = 0;
    for (int i = 0; i < batch; ++i) {
      typename Library::promise promise;
      promise.get_future().add_done_callback([&called](const auto&) { ++called; });
      promise.set_value(i);
    }
    while (called < batch)
      Library::yield();
  }
  state.counters["operations"] = batch;
}

/// The next value of a generator.
template <class Library>
void generator(benchmark::State& state) {
  constexpr int batch = 1000;
  auto numbers = Library::count_up();
  for (auto _ : state)
    for (int i = 0; i < batch; ++i)
      benchmark::DoNotOptimize(Library::next(numbers));
  state.counters["operations"] = batch;
}

} // namespace bench
