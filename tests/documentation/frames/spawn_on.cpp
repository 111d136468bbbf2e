// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weft/weft.hpp"

namespace {

TEST(documentation, spawn_on) {
  int answer = 0;
  //< example >
  EXPECT_EQ(answer, 42);
}

unsigned words_in(const std::string& text) {
  unsigned words = 0;
  char before = ' ';
  for (const char c : text)
    if (const char last = std::exchange(before, c); last == ' ' && c != ' ') ++words;
  return words;
}

TEST(documentation, spawn_any) {
  const std::vector<std::string> texts{"one", "and two", "and then three"};
  //< example >
  EXPECT_EQ(totals, (std::vector<unsigned>{1, 2, 3}));
}

} // namespace
