// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, task_group) {
  const int first = 1;
  const int second = 2;
  int used = 0;
  const auto fetch = [](int n) { return n; };
  const auto use = [&](int a, int b) { used = a + b; };
  //< example >
  EXPECT_EQ(used, 3);
}

} // namespace
