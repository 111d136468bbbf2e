// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, iwait) {
  std::vector<int> answers;
  const std::vector requests(4, weft::spawn([] { return 1; }));
  //< example >
  EXPECT_EQ(answers.size(), 3U);
}

} // namespace
