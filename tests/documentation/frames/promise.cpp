// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <thread>

#include "weft/weft.hpp"

namespace {

TEST(documentation, promise) {
  //< example >
  EXPECT_TRUE(p.done());
  t.join();
}

} // namespace
