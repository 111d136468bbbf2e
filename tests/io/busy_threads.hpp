// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <vector>

#include "tests/io/fibers.hpp"

namespace weft::test {

/// All threads that weft has for its own calls on files and names are busy while one exists.
class busy_threads {
 public:
  busy_threads() {
    for (int i = 0; i < count; ++i)
      jobs_.push_back(spawn([this] {
        offload([this] {
          ++running_;
          while (!over_)
            over_.wait(false);
        });
      }));
    while (running_ < count)
      sleep(1ms);
  }
  busy_threads(const busy_threads&) = delete;
  busy_threads& operator=(const busy_threads&) = delete;
  ~busy_threads() {
    over_ = true;
    over_.notify_all();
    joinall(jobs_);
  }

 private:
  static constexpr int count = 128;
  std::atomic<int> running_ = 0;
  std::atomic<bool> over_ = false;
  std::vector<task<void>> jobs_;
};

} // namespace weft::test
