// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <vector>

#include "weft/weft.hpp"

namespace {

//< example >

TEST(documentation, generator) {
  //< example >
  {
    //< example >
    EXPECT_EQ(first, 10);
    EXPECT_EQ(second, 15);
  }
  std::vector<int> all;
  weft::generator<int> g(
      //< example >
  );
  for (const int i : g)
    all.push_back(i);
  EXPECT_EQ(all, (std::vector{1, 2, 3}));
}

} // namespace
