// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/threads/eventually.hpp"
#include "weft/weft.hpp"

namespace weft::test {

/// Keeps the processor, and its hub, for so long.
inline void compute_for(std::chrono::nanoseconds span) {
  const auto end = std::chrono::steady_clock::now() + span;
  while (std::chrono::steady_clock::now() < end) {
  }
}

/// Keeps a hub from everything else until it is let go.
class occupied {
 public:
  explicit occupied(const hub_handle& hub)
      : by_(spawn_on(hub, [this] {
          began_ = true;
          while (!let_go_)
            std::this_thread::yield();
        })) {
    while (!began_)
      std::this_thread::yield();
  }
  ~occupied() { let_go(); }
  void let_go() {
    let_go_ = true;
    by_.join();
  }

 private:
  std::atomic<bool> began_ = false, let_go_ = false;
  task<void> by_;
};

} // namespace weft::test
