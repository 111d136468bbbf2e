// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, barrier) {
  //< example >
  EXPECT_TRUE(parties[2].done());
}

} // namespace
