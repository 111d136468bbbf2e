// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

int worked = 0;
void work() {
  ++worked;
}

TEST(documentation, joinall) {
  const auto a = weft::spawn(work);
  const auto b = weft::spawn([] { return 2; });
  const std::vector tasks{weft::spawn(work), weft::spawn(work)};
  //< example >
  EXPECT_EQ(done.size(), 2U);
  EXPECT_EQ(worked, 4);
  EXPECT_TRUE(b.done());
}

} // namespace
