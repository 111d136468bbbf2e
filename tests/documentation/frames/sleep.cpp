// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, sleep) {
  const auto began = std::chrono::steady_clock::now();
  //< example >
  EXPECT_GE(std::chrono::steady_clock::now() - began, 100ms);
}

} // namespace
