// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, with_timeout) {
  const std::string url = "url";
  const auto fetch = [](const std::string& of) { return of + " fetched"; };
  const auto task = weft::spawn([] { return 1; });
  //< example >
  EXPECT_EQ(page, "url fetched");
  EXPECT_EQ(n, 1);
}

} // namespace
