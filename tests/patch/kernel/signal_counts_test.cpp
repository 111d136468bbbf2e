// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/signal_counts.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace weft::patch {
namespace {

TEST(signal_counts, agree_with_counting_one_by_one) {
  std::mt19937_64 random(7);
  signal_counts counts;
  std::vector<std::uint64_t> sets;
  unsigned naive[64] = {};
  for (int step = 0; step < 20'000; ++step) {
    if (sets.empty() || random() % 5 < 3) {
      sets.push_back(random() | random());
      counts.add(sets.back());
      for (int i = 0; i < 64; ++i)
        naive[i] += sets.back() >> i & 1;
    } else {
      std::swap(sets[random() % sets.size()], sets.back());
      counts.subtract(sets.back());
      for (int i = 0; i < 64; ++i)
        naive[i] -= sets.back() >> i & 1;
      sets.pop_back();
    }
    const auto wanted = static_cast<std::uint32_t>(step % 3 ? naive[step % 64] : sets.size());
    std::uint64_t equal = 0, any = 0;
    for (int i = 0; i < 64; ++i) {
      equal |= std::uint64_t{naive[i] == wanted} << i;
      any |= std::uint64_t{naive[i] != 0} << i;
    }
    ASSERT_EQ(counts.equal_to(wanted), equal) << "step " << step;
    ASSERT_EQ(counts.any(), any) << "step " << step;
  }
}

TEST(signal_counts, of_none) {
  const signal_counts counts;
  EXPECT_EQ(counts.equal_to(0), ~std::uint64_t{0});
  EXPECT_EQ(counts.equal_to(1), 0u);
  EXPECT_EQ(counts.any(), 0u);
}

} // namespace
} // namespace weft::patch
