// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, event) {
  //< example >
  EXPECT_TRUE(ready.is_set());
  server.get();
}

} // namespace
