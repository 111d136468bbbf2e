// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/object_pool.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdint>
#include <set>
#include <vector>

namespace weft::patch {
namespace {

struct alignas(64) item {
  explicit item(int n) : number(n) { ++alive; }
  ~item() { --alive; }
  int number;
  char rest[200] = {};
  static int alive;
};
int item::alive = 0;

TEST(object_pool, makes_and_destroys) {
  object_pool<item> pool;
  item* a = pool.make(1);
  item* b = pool.make(2);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->number, 1);
  EXPECT_EQ(b->number, 2);
  EXPECT_EQ(item::alive, 2);
  pool.destroy(a);
  pool.destroy(b);
  EXPECT_EQ(item::alive, 0);
}

TEST(object_pool, last_in_first_out) {
  object_pool<item> pool;
  item* a = pool.make(1);
  item* b = pool.make(2);
  pool.destroy(a);
  pool.destroy(b);
  EXPECT_EQ(pool.make(3), b);
  EXPECT_EQ(pool.make(4), a);
  pool.destroy(a);
  pool.destroy(b);
}

TEST(object_pool, no_two_objects_overlap_and_all_are_aligned) {
  object_pool<item> pool;
  std::set<std::uintptr_t> places;
  std::vector<item*> all;
  for (int i = 0; i < 3000; ++i) { // several blocks
    item* each = pool.make(i);
    ASSERT_TRUE(each);
    const auto at = reinterpret_cast<std::uintptr_t>(each);
    EXPECT_EQ(at % alignof(item), 0u);
    places.insert(at);
    all.push_back(each);
  }
  ASSERT_EQ(places.size(), all.size());
  std::uintptr_t before = 0;
  for (const std::uintptr_t at : places) {
    if (before) {
      EXPECT_GE(at - before, sizeof(item));
    }
    before = at;
  }
  for (int i = 0; i < 3000; ++i) {
    EXPECT_EQ(all[static_cast<std::size_t>(i)]->number, i);
    pool.destroy(all[static_cast<std::size_t>(i)]);
  }
  EXPECT_EQ(item::alive, 0);
}

TEST(object_pool, a_first_block_is_used_from_its_front) {
  object_pool<item> pool;
  item* a = pool.make(1);
  item* b = pool.make(2);
  EXPECT_GT(b, a);
}

} // namespace
} // namespace weft::patch
