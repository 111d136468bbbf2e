// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <future>
#include <thread>

namespace weft::test {

using namespace std::chrono_literals;

/// Whether it comes true within ten seconds. Blocks the thread, hub and all.
template <class Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

/// Jobs wait at it until it is opened.
class gate {
 public:
  void open() { opened_.set_value(); }
  void pass() const { passed_.wait(); }

 private:
  std::promise<void> opened_;
  std::shared_future<void> passed_ = opened_.get_future().share();
};

} // namespace weft::test
