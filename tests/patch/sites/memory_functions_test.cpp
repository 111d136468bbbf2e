// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

// The patch's own, compiled under these names for the test.
extern "C" {
void* own_memcpy(void*, const void*, std::size_t);
void* own_memmove(void*, const void*, std::size_t);
void* own_memset(void*, int, std::size_t);
int own_memcmp(const void*, const void*, std::size_t);
}

namespace {

using bytes = std::vector<unsigned char>;

bytes random_bytes(std::mt19937& random, std::size_t size) {
  bytes b(size);
  for (auto& byte : b)
    byte = static_cast<unsigned char>(random() % 3);
  return b;
}

TEST(memory_functions, do_what_libc_does) {
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    auto a = random_bytes(random, 96);
    const auto b = random_bytes(random, 96);
    const std::size_t from = random() % 48, to = random() % 48, size = random() % 48;
    auto expected = a;
    std::memmove(&expected[to], &expected[from], size);
    EXPECT_EQ(own_memmove(&a[to], &a[from], size), &a[to]);
    ASSERT_EQ(a, expected);
    std::memcpy(&expected[to], &b[from], size);
    EXPECT_EQ(own_memcpy(&a[to], &b[from], size), &a[to]);
    ASSERT_EQ(a, expected);
    const int difference = std::memcmp(&a[from], &b[to], size);
    const int own = own_memcmp(&a[from], &b[to], size);
    ASSERT_EQ(own > 0, difference > 0);
    ASSERT_EQ(own < 0, difference < 0);
    std::memset(&expected[to], round, size);
    EXPECT_EQ(own_memset(&a[to], round, size), &a[to]);
    ASSERT_EQ(a, expected);
  }
}

} // namespace
