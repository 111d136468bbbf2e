// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/sparse_table.hpp"

#include <gtest/gtest.h>

#include <set>

namespace {

struct entry {
  int value = 42;
};
using table = weft::core::sparse_table<entry>;

TEST(sparse_table, knows_nothing_at_first) {
  table t;
  EXPECT_EQ(t.find(0), nullptr);
  EXPECT_EQ(t.find(-1), nullptr);
  EXPECT_EQ(t.find(INT32_MAX), nullptr);
  int visited = 0;
  t.for_each([&](int, entry&) { ++visited; });
  EXPECT_EQ(visited, 0);
}

TEST(sparse_table, entries_are_made_by_their_constructor_and_never_move) {
  table t;
  entry* third = t.touch(3);
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(third->value, 42);
  third->value = 3;
  for (int n : {0, 255, 256, 1'000'000, static_cast<int>(table::capacity) - 1}) {
    entry* e = t.touch(n);
    ASSERT_NE(e, nullptr) << n;
    if (n != 3) {
      EXPECT_EQ(e->value, 42) << n;
    }
    e->value = n;
  }
  EXPECT_EQ(t.find(3), third);
  EXPECT_EQ(t.touch(3), third);
  EXPECT_EQ(third->value, 3);
  EXPECT_EQ(t.find(1'000'000)->value, 1'000'000);
}

TEST(sparse_table, refuses_numbers_out_of_range) {
  table t;
  EXPECT_EQ(t.touch(-1), nullptr);
  EXPECT_EQ(t.touch(static_cast<int>(table::capacity)), nullptr);
  EXPECT_EQ(t.touch(INT32_MAX), nullptr);
}

TEST(sparse_table, visits_what_was_touched_with_its_number) {
  table t;
  for (int n : {5, 70'000})
    t.touch(n)->value = n;
  std::set<int> found;
  t.for_each([&](int n, entry& e) {
    if (e.value == n) found.insert(n);
  });
  EXPECT_TRUE(found.contains(5));
  EXPECT_TRUE(found.contains(70'000));
}

} // namespace
