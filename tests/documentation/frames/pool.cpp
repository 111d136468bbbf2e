// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

int fetched = 0;
void fetch(const std::string&) {
  weft::sleep(1ms);
  ++fetched;
}

TEST(documentation, pool) {
  const std::vector<std::string> urls(50, "http://localhost");
  //< example >
  EXPECT_EQ(fetched, 50);
}

} // namespace
