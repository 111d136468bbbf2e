// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, wait) {
  std::vector tasks{weft::spawn([] {}), weft::spawn([] { weft::sleep(1h); })};
  //< example >
  EXPECT_EQ(done.size(), 1U);
  tasks[1].join();
  EXPECT_TRUE(tasks[1].was_cancelled());
}

} // namespace
