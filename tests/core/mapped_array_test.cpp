// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/mapped_array.hpp"

#include <gtest/gtest.h>

namespace {

TEST(mapped_array, keeps_its_values_while_it_grows) {
  weft::core::mapped_array<int> a;
  EXPECT_TRUE(a.empty());
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_TRUE(a.reserve(a.size() + 1));
    a.push_back(i);
  }
  int expected = 0;
  for (int value : a)
    ASSERT_EQ(value, expected++);
  EXPECT_EQ(expected, 100'000);
  EXPECT_EQ(a.pop_back(), 99'999);
  EXPECT_EQ(a.size(), 99'999u);
  a.discard();
  EXPECT_TRUE(a.empty());
  ASSERT_TRUE(a.reserve(1));
  a.push_back(7);
  EXPECT_EQ(a[0], 7);
  a.discard();
}

TEST(mapped_array, says_when_there_is_no_memory_and_keeps_what_it_has) {
  weft::core::mapped_array<long> a;
  ASSERT_TRUE(a.reserve(1));
  a.push_back(5);
  EXPECT_FALSE(a.reserve(std::size_t{1} << 50));
  EXPECT_EQ(a[0], 5);
  a.discard();
}

} // namespace
