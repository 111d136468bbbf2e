// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

int measure() {
  return 3;
}

TEST(documentation, gather) {
  const auto fetch_task = weft::spawn([] { return std::string("page"); });
  const std::vector tasks{weft::spawn([] { return 1; }), weft::spawn([] { return 2; })};
  //< example >
  EXPECT_EQ(page, "page");
  EXPECT_EQ(size, 3);
  EXPECT_EQ(all, (std::vector{1, 2}));
}

TEST(documentation, gather_outcomes) {
  int retried = 0;
  const auto retry = [&] { ++retried; };
  const auto first = weft::spawn([] { return 1; });
  const auto second = weft::spawn([] { return 2; });
  first.cancel();
  //< example >
  EXPECT_EQ(retried, 1);
  EXPECT_EQ(*b, 2);
}

} // namespace
