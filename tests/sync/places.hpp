// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "weft/weft.hpp"

/// Where the parties of a test run.
namespace weft::test {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

/// Longer than anything that should happen, shorter than the tests' own limit.
inline constexpr auto ages = 20s;

enum class place {
  one_hub,       // fibers of this thread's hub
  two_hubs,      // fibers of two other threads' hubs, in turn
  bare_threads,  // threads without a hub
  hub_and_bares, // both, in turn
};

inline std::string name_of(const testing::TestParamInfo<place>& info) {
  static const char* const names[] = {"one_hub", "two_hubs", "bare_threads", "hub_and_bares"};
  return names[static_cast<int>(info.param)];
}

inline const auto all_places =
    testing::Values(place::one_hub, place::two_hubs, place::bare_threads, place::hub_and_bares);

/// Runs body(0) ... body(parties - 1) there, all at once, until all are at their end.
inline void run_at(place where, int parties, const std::function<void(int)>& body) {
  const auto in_fibers = [&](int first, int step) {
    std::vector<task<void>> fibers;
    for (int i = first; i < parties; i += step)
      fibers.push_back(spawn(body, i));
    for (auto& f : fibers)
      f.get();
  };
  const auto in_threads = [&](int first, int step) {
    std::vector<std::thread> threads;
    for (int i = first; i < parties; i += step)
      threads.emplace_back(body, i);
    for (auto& t : threads)
      t.join();
  };
  std::vector<std::thread> hosts;
  switch (where) {
  case place::one_hub:
    return in_fibers(0, 1);
  case place::bare_threads:
    return in_threads(0, 1);
  case place::two_hubs:
    hosts.emplace_back(in_fibers, 0, 2);
    hosts.emplace_back(in_fibers, 1, 2);
    break;
  case place::hub_and_bares:
    hosts.emplace_back(in_fibers, 0, 2);
    hosts.emplace_back(in_threads, 1, 2);
    break;
  }
  for (auto& h : hosts)
    h.join();
}

/// Calls `f` as a callback of this thread's hub, and waits for it.
template <class F>
void in_callback(F f) {
  promise<void> called;
  auto done = called.get_future();
  done.add_done_callback([f](const future<void>&) mutable { f(); });
  called.set_value();
  promise<void> after; // callbacks run in order
  auto last = after.get_future();
  bool ran = false;
  last.add_done_callback([&](const future<void>&) { ran = true; });
  after.set_value();
  while (!ran)
    yield();
}

} // namespace weft::test
