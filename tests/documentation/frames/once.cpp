// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, once) {
  //< example >
  EXPECT_TRUE(prepared.done());
}

} // namespace
