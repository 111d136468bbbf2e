// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

namespace {

int served = 0;
void serve() {
  ++served;
}

namespace program {
//< example >
} // namespace program

TEST(documentation, run) {
  EXPECT_EQ(program::main(), 0);
  EXPECT_EQ(served, 1);
}

} // namespace
