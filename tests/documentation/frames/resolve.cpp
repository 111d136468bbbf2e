// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

namespace {

using namespace std::chrono_literals;

TEST(documentation, resolve) {
  //< example >
  EXPECT_EQ(error, 0);
}

} // namespace
