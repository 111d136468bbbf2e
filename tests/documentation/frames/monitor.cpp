// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, blocking_monitor) {
  //< example >
  EXPECT_EQ(weft::run([] { return 1; }), 1);
}

} // namespace
