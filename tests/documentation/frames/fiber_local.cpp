// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weft/weft.hpp"

namespace {

std::vector<std::string> logged;
void log(const std::string& text) {
  logged.push_back(text);
}

//< example >

TEST(documentation, fiber_local) {
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(weft::spawn(use_mine).get(), 2);
  EXPECT_TRUE(buffer->empty());
}

TEST(documentation, inherited_local) {
  //< example >
  EXPECT_EQ(logged, std::vector<std::string>{"42"});
}

} // namespace
