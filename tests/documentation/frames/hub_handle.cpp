// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <thread>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, hub_handle) {
  const auto began = std::chrono::steady_clock::now();
  //< example >
  t.join();
  weft::sleep(10ms);
  EXPECT_EQ(weft::all_tasks().size(), 1U);
  weft::joinall(weft::all_tasks());
  EXPECT_GE(std::chrono::steady_clock::now() - began, 1s);
}

} // namespace
