// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, shield) {
  const auto save = [] { weft::sleep(1ms); };
  //< example >
  EXPECT_TRUE(saved.done());
}

} // namespace
