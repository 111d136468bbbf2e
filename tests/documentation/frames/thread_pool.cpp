// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "weft/weft.hpp"

namespace {

TEST(documentation, thread_pool) {
  //< example >
  EXPECT_EQ(answer.get(), 42);
}

std::size_t expensive_hash(const std::string& text) {
  return std::hash<std::string>()(text);
}

TEST(documentation, to_thread) {
  const std::string text = "text";
  //< example >
  EXPECT_EQ(digest.get(), expensive_hash(text));
}

} // namespace
