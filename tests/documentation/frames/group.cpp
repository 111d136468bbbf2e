// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

int served = 0;
void serve(int) {
  ++served;
}

TEST(documentation, group) {
  const int first = 1;
  const int second = 2;
  //< example >
  EXPECT_EQ(served, 2);
}

} // namespace
