// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/stack_pool.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <vector>

#include "runtime/core/page.hpp"

namespace {

using namespace weft::core;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool memory_is_measurable = false; // shadow memory comes on top
#else
constexpr bool memory_is_measurable = true;
#endif

std::size_t status_bytes(const char* field) {
  std::FILE* status = std::fopen("/proc/self/status", "r");
  char line[256];
  std::size_t found = 0;
  while (std::fgets(line, sizeof line, status))
    if (std::strncmp(line, field, std::strlen(field)) == 0)
      found = std::strtoul(line + std::strlen(field) + 1, nullptr, 10) * 1024;
  std::fclose(status);
  return found;
}

std::size_t memory_in_use() {
  return status_bytes("VmRSS") + status_bytes("VmPTE");
}

void fill(stack s, int value) {
  std::memset(static_cast<char*>(s.top) - s.size, value, s.size);
}

TEST(stack_pool, all_usable_bytes_are_usable) {
  stack_pool pool{10'000};
  EXPECT_EQ(pool.usable(), 3 * page_size);
  std::vector<stack> stacks;
  for (int i = 0; i < 100; ++i) {
    stacks.push_back(pool.acquire());
    ASSERT_NE(stacks.back().top, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(stacks.back().top) % 64, 0u);
    EXPECT_GE(stacks.back().size, pool.usable() - 2048);
    fill(stacks.back(), i);
  }
  for (int i = 0; i < 100; ++i) {
    const stack s = stacks[static_cast<std::size_t>(i)];
    EXPECT_EQ(static_cast<char*>(s.top)[-1], i);
    EXPECT_EQ(*(static_cast<char*>(s.top) - s.size), i);
  }
  EXPECT_EQ(pool.in_use(), 100u);
  for (stack s : stacks)
    pool.release(s);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(stack_pool, the_last_released_is_the_next) {
  stack_pool pool{64 << 10};
  const stack a = pool.acquire();
  const stack b = pool.acquire();
  pool.release(a);
  EXPECT_EQ(pool.acquire().top, a.top);
  pool.release(b);
  pool.release(a);
  const stack again = pool.acquire();
  EXPECT_EQ(again.top, a.top);
  EXPECT_EQ(again.size, a.size);
}

TEST(stack_pool, tops_are_spread_over_the_cache_sets) {
  stack_pool pool{64 << 10};
  std::set<std::uintptr_t> offsets;
  for (int i = 0; i < 64; ++i)
    offsets.insert(reinterpret_cast<std::uintptr_t>(pool.acquire().top) % page_size);
  EXPECT_GE(offsets.size(), 16u);
  // And each leaves the rest of its page to a parked fiber.
  for (std::uintptr_t offset : offsets)
    EXPECT_TRUE(offset == 0 || offset >= 2048) << offset;
}

void overflow(stack s) {
  for (int number : {SIGSEGV, SIGBUS})
    std::signal(number, [](int n) { std::_Exit(100 + n); });
  *(static_cast<volatile char*>(s.top) - s.size - 1) = 1;
  std::_Exit(0);
}

TEST(stack_pool, running_over_the_end_faults) {
  stack_pool pool{16 << 10};
  const stack a = pool.acquire();
  const stack b = pool.acquire();
  EXPECT_NE(pool.guard(), guard_kind::none);
  fill(a, 1);
  fill(b, 1);
  EXPECT_EXIT(overflow(a), testing::ExitedWithCode(100 + SIGSEGV), "");
  EXPECT_EXIT(overflow(b), testing::ExitedWithCode(100 + SIGSEGV), "");
  pool.release(a);
  pool.trim(0);
  const stack again = pool.acquire();
  fill(again, 2);
  EXPECT_EXIT(overflow(again), testing::ExitedWithCode(100 + SIGSEGV), "");
}

/// Whether the kernel can read there.
bool readable(int scratch, const char* at) {
  return ::pwrite(scratch, at, 1, 0) == 1;
}

TEST(stack_pool, each_of_many_has_its_guard) {
  stack_pool pool{64 << 10};
  const int scratch = ::memfd_create("scratch", MFD_CLOEXEC);
  ASSERT_GE(scratch, 0);
  for (int i = 0; i < 3000; ++i) { // of which those made later are made several at a time
    const stack s = pool.acquire();
    const char* const end = static_cast<char*>(s.top) - s.size;
    ASSERT_TRUE(readable(scratch, end)) << i;
    ASSERT_FALSE(readable(scratch, end - 1)) << i;
    ASSERT_FALSE(readable(scratch, end - page_size)) << i;
  }
  ::close(scratch);
}

TEST(stack_pool, tells_a_fault_in_a_guard_from_others) {
  stack_pool pool{16 << 10};
  const stack s = pool.acquire();
  const char* end = static_cast<char*>(s.top) - s.size;
  EXPECT_TRUE(pool.in_guard(end - 1));
  EXPECT_TRUE(pool.in_guard(end - page_size));
  EXPECT_FALSE(pool.in_guard(end));
  EXPECT_FALSE(pool.in_guard(static_cast<char*>(s.top) - 1));
  EXPECT_FALSE(pool.in_guard(nullptr));
  EXPECT_FALSE(pool.in_guard(&pool));
}

TEST(stack_pool, a_hundred_thousand_parked_fibers_cost_a_page_each_and_give_it_back) {
  constexpr int count = 100'000;
  const std::size_t before = memory_in_use();
  stack_pool pool{64 << 10, 100};
  std::vector<stack> stacks;
  for (int i = 0; i < count; ++i) {
    const stack s = pool.acquire();
    ASSERT_NE(s.top, nullptr);
    std::memset(static_cast<char*>(s.top) - 2000, 1, 2000);
    stacks.push_back(s);
  }
  EXPECT_EQ(pool.guard(), guard_kind::install);
  if (memory_is_measurable) {
    EXPECT_LE((memory_in_use() - before) / count, 4096 + 200 + sizeof(stack));
  }
  for (stack s : stacks)
    pool.release(s);
  pool.trim(0);
  if (memory_is_measurable) {
    EXPECT_LE((memory_in_use() - before) / count, 200 + sizeof(stack));
  }
  const stack s = pool.acquire();
  fill(s, 3);
  pool.release(s);
}

TEST(stack_pool, leaves_nothing_mapped_behind) {
  const std::size_t before = status_bytes("VmSize");
  for (int i = 0; i < 50; ++i) {
    stack_pool pool{64 << 10};
    std::vector<stack> stacks;
    for (int j = 0; j < 200; ++j)
      stacks.push_back(pool.acquire());
    for (stack s : stacks)
      pool.release(s);
  }
  EXPECT_LE(status_bytes("VmSize"), before + (std::size_t{16} << 20));
}

} // namespace
