// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <iostream>

#include "weft/weft.hpp"

namespace {

TEST(documentation, socket_address) {
  testing::internal::CaptureStdout();
  //< example >
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "127.0.0.1:8080");
}

} // namespace
