// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <sstream>

#include "weft/weft.hpp"

namespace {

TEST(documentation, dump) {
  weft::run([] {
    //< example >
    EXPECT_NE(text.str().find("fiber run ("), std::string::npos) << text.str();
  });
}

} // namespace
