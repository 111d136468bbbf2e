// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <mutex>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, condition_variable) {
  //< example >
  eater.get();
  EXPECT_EQ(apples, 0);
}

} // namespace
