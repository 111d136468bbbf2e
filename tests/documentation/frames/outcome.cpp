// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, outcome) {
  int used = 0;
  int logged = 0;
  const auto use = [&](int n) { used += n; };
  const auto log = [&](const std::exception_ptr& error) { logged += error ? 1 : 0; };
  const std::vector tasks{weft::spawn([] { return 1; }),
                          weft::spawn([]() -> int { throw std::runtime_error("x"); })};
  //< example >
  EXPECT_EQ(used, 1);
  EXPECT_EQ(logged, 1);
}

} // namespace
