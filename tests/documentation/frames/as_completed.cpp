// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, as_completed) {
  int sum = 0;
  const auto consume = [&](int n) { sum += n; };
  const std::vector tasks{weft::spawn([] { return 1; }), weft::spawn([] { return 2; })};
  //< example >
  EXPECT_EQ(sum, 3);
}

} // namespace
