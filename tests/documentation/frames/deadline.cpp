// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, deadline) {
  const auto began = std::chrono::steady_clock::now();
  const auto task = weft::spawn([] { weft::sleep(1h); });
  const std::vector tasks{task};
  //< example >
  EXPECT_GE(std::chrono::steady_clock::now() - began, 3500ms);
  EXPECT_FALSE(task.done());
  task.kill();
}

} // namespace
