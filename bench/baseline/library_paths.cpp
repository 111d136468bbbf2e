// SPDX-License-Identifier: BSL-1.0
// The hot paths of the library, to be counted.
#include <weft/weft.hpp>

#include <chrono>
#include <optional>

#include "bench/baseline/counted.hpp"

namespace {

using bench::count;
using namespace std::chrono_literals;

/// The other one of two fibers: does its part again and again until the end.
template <class Part>
weft::task<void> partner(const bool& over, Part part) {
  return weft::spawn([&over, part] {
    while (!over)
      part();
  });
}

void count_switches() {
  bool over = false;
  auto other = partner(over, [] { weft::yield(); });
  count("yield, there and back", [] { weft::yield(); });
  over = true;
  other.join();
  count("spawn and join", [] { weft::spawn([] {}).join(); });
}

void count_waits() {
  {
    bool over = false;
    weft::semaphore here(0), there(0);
    auto other = partner(over, [&] {
      there.acquire();
      here.release();
    });
    count("wake and park, there and back", [&] {
      there.release();
      here.acquire();
    });
    over = true;
    there.release();
    other.join();
  }
  {
    bool over = false;
    weft::channel<int> items;
    auto other = partner(over, [&] { (void)items.receive(); });
    count("channel, a message", [&] { items.send(1); });
    over = true;
    items.send(1);
    other.join();
  }
  {
    bool over = false;
    std::optional<weft::promise<int>> asked;
    auto other = partner(over, [&] {
      if (asked) asked->set_value(1);
      asked.reset();
      weft::yield();
    });
    count("future, made, waited for and set", [&] {
      asked.emplace();
      auto future = asked->get_future();
      (void)future.get();
    });
    over = true;
    other.join();
  }
}

void count_others() {
  count("timer, set and cancelled", [] { const weft::timeout_scope scope(1h); });
  weft::mutex mutex;
  count("mutex, locked and unlocked", [&] {
    mutex.lock();
    mutex.unlock();
  });
  weft::queue<int> items;
  count("queue, put and got", [&] {
    items.put(1);
    (void)items.get();
  });
  weft::generator<int> numbers([](auto& yield) {
    for (int i = 0;; ++i)
      yield(i);
  });
  count("generator, the next value", [&] { (void)numbers.next(); });
}

} // namespace

int main() {
  bench::count_nothing();
  weft::spawn([] {
    count_switches();
    count_waits();
    count_others();
  }).get();
}
