// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

std::vector<int> printed;
void print(int n) {
  printed.push_back(n);
}

TEST(documentation, channel) {
  //< example >
  EXPECT_TRUE(producer.done());
  EXPECT_EQ(printed, (std::vector{0, 1, 4}));
}

} // namespace
