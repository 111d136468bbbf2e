// SPDX-License-Identifier: BSL-1.0
// C++20 coroutines on Boost.Asio.
#include <boost/asio.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/coro.hpp>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "bench/micro/coroutines.hpp"

namespace {

namespace asio = boost::asio;
using asio::use_awaitable;

/// For one thread, which others may post to, as to a hub of weft.
asio::io_context context(1);

template <class T>
using channel_of = asio::experimental::channel<void(boost::system::error_code, T)>;
using timer = asio::basic_waitable_timer<std::chrono::steady_clock>;

struct library {
  template <class T>
  using task = asio::awaitable<T>;

  static void spawn(task<void>&& one) { asio::co_spawn(context, std::move(one), asio::detached); }
  static void run() {
    context.restart();
    context.run();
  }
  static auto yield() { return asio::post(context, use_awaitable); }
  template <class Make>
  static task<long> sum_of(Make make) {
    channel_of<long> results(context, 10);
    for (long i = 0; i < 10; ++i)
      asio::co_spawn(context, make(i), [&results](const std::exception_ptr&, long result) {
        results.try_send(boost::system::error_code(), result);
      });
    long sum = 0;
    for (int i = 0; i < 10; ++i)
      sum += co_await results.async_receive(use_awaitable);
    co_return sum;
  }
};

using task = asio::awaitable<void>;

task play(channel_of<int>& there, channel_of<int>& back, int me) {
  for (int i = 0; i < bench::turns; ++i)
    if (me == 0) {
      co_await there.async_send(boost::system::error_code(), i, use_awaitable);
      benchmark::DoNotOptimize(co_await back.async_receive(use_awaitable));
    } else {
      const int value = co_await there.async_receive(use_awaitable);
      co_await back.async_send(boost::system::error_code(), value, use_awaitable);
    }
}

void channel(benchmark::State& state) {
  for (auto _ : state) {
    channel_of<int> there(context), back(context);
    for (const int me : {0, 1})
      library::spawn(play(there, back, me));
    library::run();
  }
  state.counters["operations"] = 2 * bench::turns;
}

task put(channel_of<int>& items) {
  for (int i = 0; i < 2 * bench::turns; ++i)
    co_await items.async_send(boost::system::error_code(), i, use_awaitable);
}
task get(channel_of<int>& items) {
  for (int i = 0; i < 2 * bench::turns; ++i)
    benchmark::DoNotOptimize(co_await items.async_receive(use_awaitable));
}

void queue(benchmark::State& state) {
  for (auto _ : state) {
    channel_of<int> items(context, 64);
    library::spawn(put(items));
    library::spawn(get(items));
    library::run();
  }
  state.counters["operations"] = 2 * bench::turns;
}

asio::experimental::coro<int> count_up(asio::io_context&) {
  for (int i = 0;; ++i)
    co_yield i;
}
asio::experimental::coro<> take(asio::io_context&, benchmark::State& state) {
  auto numbers = count_up(context);
  for (auto _ : state)
    for (int i = 0; i < 1000; ++i)
      benchmark::DoNotOptimize(co_await numbers);
}

void generator(benchmark::State& state) {
  auto taking = take(context, state);
  taking.async_resume(asio::detached);
  library::run();
  state.counters["operations"] = 1000;
}

task sleep_and_count(std::chrono::nanoseconds span, std::size_t& asleep) {
  timer mine(context, span);
  ++asleep;
  co_await mine.async_wait(use_awaitable);
}

void sleepers(benchmark::State& state) {
  const std::size_t fibers = bench::many();
  for (auto _ : state) {
    const double before = bench::memory_in_use();
    std::size_t asleep = 0;
    for (std::size_t i = 0; i < fibers; ++i)
      library::spawn(sleep_and_count(std::chrono::hours(1), asleep));
    context.restart();
    while (asleep < fibers || context.poll() > 0)
      context.poll();
    state.PauseTiming();
    state.counters["bytes"] = (bench::memory_in_use() - before) / static_cast<double>(fibers);
    state.counters["operations"] = static_cast<double>(fibers);
    state.ResumeTiming();
  }
}

void timers(benchmark::State& state) {
  const std::size_t fibers = bench::many();
  for (auto _ : state) {
    std::size_t asleep = 0;
    unsigned random = 1;
    for (std::size_t i = 0; i < fibers; ++i) {
      random = random * 1664525 + 1013904223;
      library::spawn(sleep_and_count(std::chrono::microseconds((random >> 8) % 1'000'000), asleep));
    }
    library::run();
  }
  state.counters["operations"] = static_cast<double>(fibers);
}

task sleep_in_turn(std::vector<double>& late) {
  constexpr double span = 1e6;
  timer mine(context);
  for (int i = 0; i < 100; ++i) {
    const double begin = bench::wall_time();
    mine.expires_after(std::chrono::nanoseconds(static_cast<long>(span)));
    co_await mine.async_wait(use_awaitable);
    late.push_back(bench::wall_time() - begin - span);
  }
}

void sleep_late(benchmark::State& state) {
  std::vector<double> late;
  for (auto _ : state) {
    library::spawn(sleep_in_turn(late));
    library::run();
  }
  std::nth_element(late.begin(), late.begin() + static_cast<long>(late.size() / 2), late.end());
  state.counters["ns"] = late[late.size() / 2];
}

} // namespace

int main(int argc, char** argv) {
  using bench::add;
  bench::coroutines::register_cases<library>();
  add("channel", &channel);
  add("queue", &queue);
  add("generator", &generator);
  add("sleepers", &sleepers)->Iterations(1);
  add("timers", &timers)->Iterations(1);
  add("sleep_late", &sleep_late)->Iterations(1);
  bench::run_program(argc, argv);
}
