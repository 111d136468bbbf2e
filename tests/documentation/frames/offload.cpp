// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "weft/weft.hpp"

namespace {

TEST(documentation, offload) {
  //< example >
  EXPECT_EQ(there, std::filesystem::exists(path));
}

} // namespace
