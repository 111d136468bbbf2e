// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <mutex>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, semaphore) {
  //< example >
  EXPECT_EQ(at_most_three.available(), 3);
}

} // namespace
