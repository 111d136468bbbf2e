// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <weft/joinall.hpp>
#include <weft/spawn.hpp>

/// What the programs of this folder have in common: a hundred fibers of one thread, each with a
/// client library that knows nothing of fibers, work with one server at once.
namespace libraries {

using namespace std::chrono_literals;

inline constexpr int fibers = 100;

[[noreturn]] inline void fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}
inline void expect(bool right, const std::string& what) {
  if (!right) fail(what);
}

/// Runs `work(number)` in all of them. The server lets each wait for 100 ms or more: one after the
/// other would take ten seconds.
template <class Work>
void all_at_once(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<weft::task<void>> tasks;
  for (int i = 0; i < fibers; ++i)
    tasks.push_back(weft::spawn(work, i));
  weft::joinall(tasks, {.raise_error = true});
  const auto took = std::chrono::steady_clock::now() - begin;
  expect(took >= 100ms, "nobody waited");
  expect(took < 8s, "they did not wait at once");
}

} // namespace libraries
