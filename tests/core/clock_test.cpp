// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/clock.hpp"

#include <gtest/gtest.h>
#include <time.h>

namespace {

using namespace weft::core;

TEST(clock, is_clock_monotonic_in_nanoseconds) {
  timespec before, after;
  ::clock_gettime(CLOCK_MONOTONIC, &before);
  const nanoseconds now = monotonic_now();
  ::clock_gettime(CLOCK_MONOTONIC, &after);
  EXPECT_GE(now, before.tv_sec * 1'000'000'000 + before.tv_nsec);
  EXPECT_LE(now, after.tv_sec * 1'000'000'000 + after.tv_nsec);
}

TEST(clock, a_deadline_never_overflows_nor_lies_in_the_past) {
  static_assert(deadline_after(100, 20) == 120);
  static_assert(deadline_after(100, 0) == 100);
  static_assert(deadline_after(100, -5) == 100);
  static_assert(deadline_after(100, INT64_MIN) == 100);
  static_assert(deadline_after(100, never) == never);
  static_assert(deadline_after(100, never - 100) == never);
  static_assert(deadline_after(100, never - 101) == never - 1);
  EXPECT_GT(deadline_after(monotonic_now(), 1), monotonic_now() - 1'000'000'000);
}

} // namespace
