// SPDX-License-Identifier: BSL-1.0
//
// Threads and fibers at once: three threads throw like `threads` does all the time, while a
// fourth has a hub whose fibers play. What is written is the fibers'.
#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "fiber_cast.hpp"
#include "thread_cast.hpp"

namespace {

std::atomic<bool> over = false;

void throw_all_the_time(int i) {
  for (int round = 0; !over; ++round) {
    const auto mine = std::to_string(i) + " " + std::to_string(round);
    try {
      try {
        throw std::runtime_error(mine);
      } catch (...) {
        sched_yield();
        throw;
      }
    } catch (const std::runtime_error& error) {
      sched_yield();
      if (error.what() != mine) std::abort();
    }
  }
}

} // namespace

int main() {
  thread_cast threads;
  std::vector<std::function<void()>> parts;
  for (int i = 0; i < 3; ++i)
    parts.emplace_back([i] { throw_all_the_time(i); });
  parts.emplace_back([] {
    fiber_cast fibers;
    scenes::play_all(fibers);
    over = true;
  });
  threads.play(parts);
}
