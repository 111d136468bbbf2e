// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

namespace {

namespace program {
//< example >
} // namespace program

TEST(documentation, weft) {
  EXPECT_EQ(program::main(), 0);
}

} // namespace
