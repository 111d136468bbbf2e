// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/region_slab.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "runtime/core/page.hpp"

namespace {

using namespace weft::core;

/// A slab that leaves nothing mapped behind.
struct scoped_slab : region_slab {
  using region_slab::region_slab;
  ~scoped_slab() { discard(); }
};

std::size_t resident_pages(void* at, std::size_t size) {
  std::vector<unsigned char> in_core(size / page_size);
  EXPECT_EQ(::mincore(at, size, in_core.data()), 0);
  std::size_t count = 0;
  for (unsigned char page : in_core)
    count += page & 1;
  return count;
}

TEST(region_slab, regions_are_aligned_zero_and_apart) {
  constexpr std::size_t size = 4 * page_size;
  scoped_slab slab{size};
  std::set<char*> regions;
  for (int i = 0; i < 1000; ++i) {
    const auto [at, fresh] = slab.acquire();
    ASSERT_NE(at, nullptr);
    EXPECT_TRUE(fresh);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(at) % page_size, 0u);
    char* bytes = static_cast<char*>(at);
    EXPECT_EQ(bytes[0], 0);
    EXPECT_EQ(bytes[size - 1], 0);
    std::memset(bytes, 1, size);
    regions.insert(bytes);
  }
  EXPECT_EQ(regions.size(), 1000u);
  char* last = nullptr;
  for (char* each : regions) {
    if (last) {
      EXPECT_GE(each - last, static_cast<std::ptrdiff_t>(size));
    }
    last = each;
  }
  EXPECT_EQ(slab.in_use(), 1000u);
}

TEST(region_slab, the_last_released_comes_first_and_keeps_its_contents) {
  scoped_slab slab{page_size};
  char* a = static_cast<char*>(slab.acquire().at);
  char* b = static_cast<char*>(slab.acquire().at);
  *a = 'a';
  *b = 'b';
  slab.release(a);
  slab.release(b);
  const auto first = slab.acquire();
  EXPECT_EQ(first.at, b);
  EXPECT_FALSE(first.fresh);
  EXPECT_EQ(*static_cast<char*>(first.at), 'b');
  EXPECT_EQ(slab.acquire().at, a);
}

TEST(region_slab, memory_beyond_the_warm_limit_goes_back) {
  constexpr std::size_t size = 4 * page_size;
  scoped_slab slab{size, 10};
  std::vector<char*> regions;
  for (int i = 0; i < 200; ++i) {
    regions.push_back(static_cast<char*>(slab.acquire().at));
    std::memset(regions.back(), 1, size);
  }
  for (char* each : regions)
    slab.release(each);
  std::size_t resident = 0;
  for (char* each : regions)
    resident += resident_pages(each, size);
  EXPECT_LE(resident, 15 * 4u);
  EXPECT_GE(resident, 10 * 4u);
  // The last released are the warm ones.
  EXPECT_EQ(resident_pages(regions.back(), size), 4u);
  slab.trim(2);
  resident = 0;
  for (char* each : regions)
    resident += resident_pages(each, size);
  EXPECT_EQ(resident, 2 * 4u);
  slab.trim(0);
  for (char* each : regions)
    EXPECT_EQ(resident_pages(each, size), 0u);
  // And all can be had again.
  std::set<void*> again;
  for (int i = 0; i < 200; ++i)
    again.insert(slab.acquire().at);
  EXPECT_EQ(again, std::set<void*>(regions.begin(), regions.end()));
}

TEST(region_slab, up_to_four_times_as_much_stays_warm_as_is_in_use) {
  scoped_slab slab{page_size, 10, pages::small, warmth::as_used};
  std::vector<char*> regions;
  for (int i = 0; i < 300; ++i) {
    regions.push_back(static_cast<char*>(slab.acquire().at));
    *regions.back() = 1;
  }
  const auto resident = [&] {
    std::size_t count = 0;
    for (char* each : regions)
      count += resident_pages(each, page_size);
    return count;
  };
  std::mt19937 random{7};
  std::shuffle(regions.begin(), regions.end(), random);
  for (int i = 0; i < 240; ++i)
    slab.release(regions[i]);
  EXPECT_EQ(resident(), 300u);
  slab.release(regions[240]);
  EXPECT_EQ(resident(), 2 * 59u) << "as many as are in use";
  for (int i = 241; i < 290; ++i)
    slab.release(regions[i]);
  EXPECT_LE(resident(), 3 * 10u);
  for (int i = 290; i < 300; ++i)
    slab.release(regions[i]);
  EXPECT_LE(resident(), 15u) << "the limit counts when less is in use";
}

TEST(region_slab, never_gives_back_what_is_in_use) {
  scoped_slab slab{page_size, 4};
  std::mt19937 random{7};
  std::vector<std::pair<int*, int>> held;
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 2 == 0 || held.empty()) {
      int* at = static_cast<int*>(slab.acquire().at);
      *at = i;
      held.emplace_back(at, i);
    } else {
      std::swap(held[random() % held.size()], held.back());
      ASSERT_EQ(*held.back().first, held.back().second);
      slab.release(held.back().first);
      held.pop_back();
    }
    if (random() % 100 == 0) slab.trim(random() % 8);
  }
  for (auto [at, value] : held)
    ASSERT_EQ(*at, value);
  EXPECT_EQ(slab.in_use(), held.size());
}

TEST(region_slab, knows_its_own) {
  scoped_slab slab{3 * page_size};
  int elsewhere = 0;
  EXPECT_FALSE(slab.owns(&elsewhere));
  for (int i = 0; i < 100; ++i) {
    char* at = static_cast<char*>(slab.acquire().at);
    EXPECT_EQ(slab.region_of(at), at);
    EXPECT_EQ(slab.region_of(at + 3 * page_size - 1), at);
    EXPECT_TRUE(slab.owns(at + page_size));
  }
  EXPECT_FALSE(slab.owns(&elsewhere));
  EXPECT_FALSE(slab.owns(nullptr));
}

TEST(region_slab, large_regions_share_page_tables_with_their_neighbours) {
  constexpr std::size_t size = std::size_t{8} << 20;
  constexpr std::size_t span = std::size_t{2} << 20;
  scoped_slab slab{size};
  for (int i = 0; i < 40; ++i) {
    const auto at = reinterpret_cast<std::uintptr_t>(slab.acquire().at);
    EXPECT_EQ(at % span, span / 2);
    *reinterpret_cast<char*>(at + size - 1) = 1;
    *reinterpret_cast<char*>(at) = 1;
  }
}

TEST(region_slab, regions_of_huge_pages_are_aligned_to_their_size) {
  constexpr std::size_t size = std::size_t{64} << 10;
  scoped_slab slab{size, 100, pages::huge};
  std::vector<char*> regions;
  for (int i = 0; i < 500; ++i) {
    regions.push_back(static_cast<char*>(slab.acquire().at));
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(regions.back()) % size, 0u);
    EXPECT_EQ(regions.back()[size - 1], 0);
    std::memset(regions.back(), 1, size);
  }
  for (char* each : regions)
    slab.release(each);
  slab.trim(0);
  for (char* each : regions) {
    EXPECT_EQ(resident_pages(each, size), 0u);
    EXPECT_TRUE(slab.owns(each));
  }
  EXPECT_EQ(*static_cast<char*>(slab.acquire().at), 0);
}

TEST(region_slab, a_million_regions) {
  constexpr int count = 1'000'000;
  scoped_slab slab{std::size_t{64} << 10};
  std::vector<void*> regions;
  regions.reserve(count);
  for (int i = 0; i < count; ++i) {
    regions.push_back(slab.acquire().at);
    ASSERT_NE(regions.back(), nullptr) << i;
  }
  for (void* each : regions)
    slab.release(each);
  EXPECT_EQ(slab.in_use(), 0u);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // they map terabytes themselves
TEST(region_slab, hands_out_what_an_address_space_limit_leaves) {
  // In a process of its own, without the heaps of threads that other tests had.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        rlimit limit;
        limit.rlim_cur = limit.rlim_max = std::size_t{256} << 20;
        if (::setrlimit(RLIMIT_AS, &limit) != 0) std::exit(3);
        region_slab slab{std::size_t{8} << 20};
        int count = 0;
        while (void* at = slab.acquire().at) {
          *static_cast<char*>(at) = 1;
          ++count;
        }
        std::exit(count >= 20 && count < 32 ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}
#endif

} // namespace
