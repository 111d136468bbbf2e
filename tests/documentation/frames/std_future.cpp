// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <future>

#include "weft/weft.hpp"

namespace {

TEST(documentation, from_std) {
  //< example >
  EXPECT_FALSE(theirs.valid());
}

} // namespace
