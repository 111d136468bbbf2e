// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, latch) {
  //< example >
  EXPECT_TRUE(ready.try_wait());
}

} // namespace
