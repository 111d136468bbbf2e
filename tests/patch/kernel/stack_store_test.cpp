// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/stacks.hpp"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <vector>

namespace weft::patch {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t usual = 256 * 1024;

/// Each test has a store of its own, whose address space stays, as that of every slab.
class stack_store_test : public testing::Test {
 protected:
  /// As glibc's allocate_stack: maps all of it without access, opens what is above the guard,
  /// and clears nothing at the top, where its struct pthread will be.
  char* create(std::size_t size, std::size_t guard = page) {
    char* at = static_cast<char*>(store.allocate(size));
    if (!at) return nullptr;
    EXPECT_EQ(store.protect(at + guard, size - guard, PROT_READ | PROT_WRITE), 0);
    return at;
  }

  stack_store store;
};

bool is_zero(const char* from, std::size_t size) {
  return std::all_of(from, from + size, [](char c) { return c == 0; });
}

TEST_F(stack_store_test, a_stack_is_usable_and_ours) {
  char* at = create(usual);
  ASSERT_TRUE(at);
  EXPECT_TRUE(is_zero(at + page, usual - page));
  std::memset(at + page, 0x5a, usual - page);
  EXPECT_TRUE(store.owns(at));
  EXPECT_TRUE(store.owns(at + usual - 1));
  int local = 0;
  EXPECT_FALSE(store.owns(&local));
  EXPECT_FALSE(store.owns(nullptr));
  EXPECT_EQ(store.free(at, usual), 0);
}

TEST_F(stack_store_test, a_used_stack_comes_back_with_its_top_cleared) {
  char* at = create(usual);
  std::memset(at + page, 0x5a, usual - page);
  ASSERT_EQ(store.free(at, usual), 0);
  char* again = create(usual);
  ASSERT_EQ(again, at) << "warm: last in, first out";
  EXPECT_TRUE(is_zero(at + usual - page, page));
}

TEST_F(stack_store_test, only_a_whole_stack_can_be_unmapped) {
  char* at = create(usual);
  EXPECT_EQ(store.free(at, usual - page), -EINVAL);
  EXPECT_EQ(store.free(at + page, usual - page), -EINVAL);
  EXPECT_EQ(store.free(at, usual), 0);
}

TEST_F(stack_store_test, sizes_that_are_no_stacks_are_left_to_the_kernel) {
  EXPECT_EQ(store.allocate(0), nullptr);
  EXPECT_EQ(store.allocate(page), nullptr);
  EXPECT_EQ(store.allocate(2 * page), nullptr) << "a guard and one page";
  EXPECT_EQ(store.allocate(usual + 1), nullptr) << "no multiple of a page";
  EXPECT_EQ(store.allocate(usual - 16), nullptr);
}

TEST_F(stack_store_test, odd_numbers_of_pages_work) {
  for (const std::size_t size : {3 * page, 5 * page, 17 * page, 8 * 1024 * 1024 + page}) {
    char* a = create(size);
    char* b = create(size);
    ASSERT_TRUE(a && b) << size;
    std::memset(a + page, 1, size - page);
    std::memset(b + page, 2, size - page);
    EXPECT_EQ(a[page], 1);
    EXPECT_EQ(a[size - 1], 1);
    EXPECT_EQ(store.free(a, size), 0);
    EXPECT_EQ(store.free(b, size), 0);
  }
}

TEST_F(stack_store_test, many_sizes_then_the_kernel_s_turn) {
  std::vector<std::pair<char*, std::size_t>> all;
  std::size_t size = 16 * page;
  while (char* at = create(size)) {
    all.emplace_back(at, size);
    size += page;
    ASSERT_LT(all.size(), 1000u) << "books of fixed size";
  }
  EXPECT_GE(all.size(), 8u);
  for (auto [at, bytes] : all) {
    EXPECT_TRUE(store.owns(at + bytes - 1));
    std::memset(at + page, 3, bytes - page);
  }
  for (auto [at, bytes] : all)
    EXPECT_EQ(store.free(at, bytes), 0);
  EXPECT_EQ(create(all.front().second), all.front().first) << "a known size still works";
}

TEST_F(stack_store_test, protecting_beyond_a_stack_is_refused) {
  char* at = create(usual);
  EXPECT_EQ(store.protect(at + page, usual, PROT_READ | PROT_WRITE), -ENOMEM);
}

// A guard is met in a child, so that it may kill.
using stack_store_death = stack_store_test;

TEST_F(stack_store_death, the_guard_faults_and_what_is_above_does_not) {
  char* at = create(usual);
  at[page] = 1;
  EXPECT_DEATH(static_cast<volatile char*>(at)[page - 1] = 1, "");
  EXPECT_DEATH(static_cast<volatile char*>(at)[0] = 1, "");
}

TEST_F(stack_store_death, a_larger_guard_is_honoured) {
  char* at = create(usual, 16 * page);
  at[16 * page] = 1;
  EXPECT_DEATH(static_cast<volatile char*>(at)[16 * page - 1] = 1, "");
  EXPECT_DEATH(static_cast<volatile char*>(at)[page] = 1, "");
}

/// pthread_attr_setguardsize(0): glibc maps it accessible, or opens it from its first byte.
TEST_F(stack_store_test, no_guard_at_all) {
  char* at = create(usual, 0);
  at[0] = 1;
  EXPECT_TRUE(is_zero(at + 1, usual - 1));
  store.free(at, usual);
}

TEST_F(stack_store_death, the_guard_of_each_user_holds_whatever_the_last_one_had) {
  char* at = create(usual, 0);
  at[0] = 1;
  store.free(at, usual);

  at = create(usual);
  EXPECT_DEATH(static_cast<volatile char*>(at)[0] = 1, "");
  at[page] = 1;
  store.free(at, usual);

  at = create(usual, 4 * page);
  EXPECT_DEATH(static_cast<volatile char*>(at)[3 * page] = 1, "");
  at[4 * page] = 1;
  store.free(at, usual);

  at = create(usual);
  at[page] = 1;
  at[3 * page] = 1;
  EXPECT_DEATH(static_cast<volatile char*>(at)[0] = 1, "");
  store.free(at, usual);

  at = create(usual, 0);
  at[0] = 1;
}

/// A cached stack whose guard grows or shrinks: glibc changes it in place (setup_stack_prot).
TEST_F(stack_store_death, a_guard_can_be_moved_in_place) {
  char* at = create(usual);
  std::memset(at + usual - page, 7, page);
  ASSERT_EQ(store.protect(at, 8 * page, PROT_NONE), 0);
  EXPECT_DEATH(static_cast<volatile char*>(at)[7 * page] = 1, "");
  at[8 * page] = 1;
  ASSERT_EQ(store.protect(at + page, 7 * page, PROT_READ | PROT_WRITE), 0);
  at[page] = 1;
  at[7 * page] = 1;
  EXPECT_DEATH(static_cast<volatile char*>(at)[0] = 1, "");
  EXPECT_EQ(at[usual - 1], 7) << "what lies above stays as it was";
}

TEST_F(stack_store_test, random_threads_never_share_a_byte) {
  struct user {
    char* at;
    std::size_t size, guard;
    char mark;
  };
  std::mt19937 random{11};
  std::vector<user> users;
  const std::size_t sizes[] = {4 * page, 16 * page, usual};
  const std::size_t guards[] = {page, page, page, 0, 2 * page};
  char mark = 0;
  for (int step = 0; step < 5'000; ++step) {
    if (users.size() < 200 && random() % 2) {
      user u{nullptr, sizes[random() % 3], guards[random() % 5], ++mark};
      u.at = create(u.size, u.guard);
      ASSERT_TRUE(u.at);
      ASSERT_TRUE(is_zero(u.at + u.size - page, page)) << "step " << step;
      // Both ends are enough to see an overlap.
      u.at[u.guard] = u.at[u.size - 1] = u.mark;
      users.push_back(u);
    } else if (!users.empty()) {
      std::swap(users[random() % users.size()], users.back());
      const user u = users.back();
      users.pop_back();
      ASSERT_EQ(u.at[u.guard], u.mark) << "step " << step;
      ASSERT_EQ(u.at[u.size - 1], u.mark) << "step " << step;
      ASSERT_EQ(store.free(u.at, u.size), 0);
    }
  }
  std::set<char*> places;
  for (const user& u : users)
    EXPECT_TRUE(places.insert(u.at).second);
}

} // namespace
} // namespace weft::patch
