// SPDX-License-Identifier: BSL-1.0
// An event loop in fifty lines, as one would write it to understand asyncio: a future that takes
// its coroutine from one wait to the next, and a queue of delays. Then the same by weft.
#include <deque>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include <weft/generator.hpp>
#include <weft/weft.hpp>

#include "tests/tour/programs.hpp"

namespace tour {
namespace {

class future_x;

/// Yields what it waits for, up to its result.
using coroutine = weft::generator<future_x*, void, int>;

struct delay {
  std::function<void()> callback;
  clock::time_point start;
};

struct loop {
  const stage& on;
  std::deque<delay> delays;
};

/// A coroutine on its way, or a point in time.
class future_x {
 public:
  future_x(loop& in, coroutine body) : loop_(in), body_(std::move(body)) {}
  future_x(loop& in, int seconds) : loop_(in), start_(clock::now() + seconds * in.on.second) {}

  /// Takes the coroutine to what it waits for next.
  void step() {
    if (const std::optional<future_x*> result = body_.next())
      loop_.delays.push_back({[this] { wakeup(); }, (*result)->start_});
    else
      loop_.on.out << body_.result() << '\n';
  }

  /// Python's __iter__: whoever waits for this gives it to the loop.
  weft::generator<future_x*> wait() {
    return [this](auto& yield) { yield(this); };
  }

 private:
  void wakeup() { step(); }

  loop& loop_;
  coroutine body_;
  clock::time_point start_;
};

coroutine sleep0(loop& in, int seconds) {
  return [&in, seconds](auto& yield) {
    future_x future(in, seconds);
    yield.from(future.wait());
    return seconds;
  };
}

coroutine req1(loop& in, int delay_seconds) {
  return [&in, delay_seconds](auto& yield) {
    const int response_time = yield.from(sleep0(in, delay_seconds));
    return response_time;
  };
}

coroutine req2(loop& in, int delay_seconds) {
  return [&in, delay_seconds](auto& yield) {
    const int response_time = yield.from(sleep0(in, delay_seconds));
    return response_time;
  };
}

} // namespace

void futures_by_hand(const stage& on) {
  const auto t1 = clock::now();
  loop in{on, {}};
  future_x f1(in, req1(in, 2));
  future_x f2(in, req2(in, 1));
  f1.step();
  f2.step();

  while (!in.delays.empty()) {
    const delay next = std::move(in.delays.front());
    in.delays.pop_front();
    std::this_thread::sleep_until(next.start);
    next.callback();
  }
  on.out << "花费的时间：" << on.since(t1) << '\n'; // "time spent"
}

void futures_by_weft(const stage& on) {
  const auto request = [&](int delay_seconds) {
    weft::sleep(delay_seconds * on.second);
    return delay_seconds;
  };
  const auto t1 = clock::now();
  const auto f1 = weft::spawn(request, 2);
  const auto f2 = weft::spawn(request, 1);
  on.out << f1.get() << '\n' << f2.get() << '\n';
  on.out << "花费的时间：" << on.since(t1) << '\n';
}

} // namespace tour
