// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <atomic>
#include <stop_token>
#include <thread>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

std::atomic<int> crunched = 0;
void crunch() {
  ++crunched;
  std::this_thread::sleep_for(1ms);
}

TEST(documentation, stop_token) {
  //< example >
  while (crunched == 0)
    weft::sleep(1ms);
  job.cancel();
  try {
    job.get(); // the thread may have given up before the fiber was told: then its end counts
  } catch (const weft::task_cancelled&) {
  }
  const auto& pool = weft::default_thread_pool();
  for (int i = 0; i < 5000 && pool.idle_threads() < pool.threads(); ++i)
    weft::sleep(1ms);
  EXPECT_EQ(pool.idle_threads(), pool.threads()); // nobody crunches any more
}

} // namespace
