// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <iostream>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, subprocess) {
  testing::internal::CaptureStdout();
  //< example >
  const std::string printed = testing::internal::GetCapturedStdout();
  EXPECT_NE(printed.find("usr\n"), std::string::npos);
  EXPECT_TRUE(printed.ends_with("apple\npear\n"));
}

} // namespace
