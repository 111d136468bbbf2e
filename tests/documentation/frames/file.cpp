// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "weft/weft.hpp"

namespace {

TEST(documentation, file) {
  std::string directory = std::filesystem::temp_directory_path() / "weft-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory);
  //< example >
  EXPECT_EQ(text, "hello\n");
  std::filesystem::current_path(before);
  std::filesystem::remove_all(directory);
}

} // namespace
