// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

namespace {

TEST(documentation, pipe) {
  weft::run([] {
    //< example >
    EXPECT_EQ(line, "hello");
  });
}

} // namespace
