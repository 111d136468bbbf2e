// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/deadline.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace weft::patch {
namespace {

constexpr core::nanoseconds second = 1'000'000'000;
constexpr time_t most = std::numeric_limits<time_t>::max();

TEST(span_of, is_the_time_in_nanoseconds) {
  EXPECT_EQ(span_of({0, 0}), 0);
  EXPECT_EQ(span_of({0, 1}), 1);
  EXPECT_EQ(span_of({3, 999'999'999}), 3 * second + 999'999'999);
}

TEST(span_of, refuses_what_the_kernel_refuses) {
  EXPECT_EQ(span_of({-1, 0}), -EINVAL);
  EXPECT_EQ(span_of({0, -1}), -EINVAL);
  EXPECT_EQ(span_of({0, second}), -EINVAL);
  EXPECT_EQ(span_of({most, second}), -EINVAL);
  EXPECT_EQ(span_of({std::numeric_limits<time_t>::min(), 0}), -EINVAL);
}

TEST(span_of, what_does_not_fit_is_for_ever) {
  EXPECT_EQ(span_of({most, 999'999'999}), core::never);
  EXPECT_EQ(span_of({core::never / second, 999'999'999}), core::never);
  EXPECT_EQ(span_of({core::never / second - 1, 999'999'999}),
            (core::never / second - 1) * second + 999'999'999);
}

TEST(call_deadline, is_a_span_from_now) {
  green g;
  const core::nanoseconds before = core::monotonic_now();
  const core::nanoseconds deadline = call_deadline(g, second);
  EXPECT_GE(deadline, before + second);
  EXPECT_LE(deadline, core::monotonic_now() + second);
}

TEST(call_deadline, stays_over_a_restart) {
  green g;
  const core::nanoseconds first = call_deadline(g, second);
  g.call_restarted = true;
  EXPECT_EQ(call_deadline(g, second), first);
  EXPECT_EQ(call_deadline(g, 5 * second), first);
  g.call_restarted = false;
  EXPECT_GT(call_deadline(g, 5 * second), first) << "another call";
}

TEST(call_deadline, never_and_too_far) {
  green g;
  EXPECT_EQ(call_deadline(g, core::never), core::never);
  g.call_restarted = true;
  EXPECT_EQ(call_deadline(g, core::never), core::never);
  g.call_restarted = false;
  EXPECT_EQ(call_deadline(g, core::never - 1), core::never) << "no overflow";
  const core::nanoseconds due = call_deadline(g, 0);
  EXPECT_LE(due, core::monotonic_now());
}

TEST(deadline_on, the_monotonic_clock_is_ours) {
  EXPECT_EQ(deadline_on(CLOCK_MONOTONIC, 12345), 12345);
  EXPECT_EQ(deadline_on(CLOCK_MONOTONIC, core::never), core::never);
}

TEST(deadline_on, another_clock_s_point_is_as_far_away) {
  for (const clockid_t clock : {CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI}) {
    timespec now;
    clock_gettime(clock, &now);
    const core::nanoseconds before = core::monotonic_now();
    const core::nanoseconds deadline = deadline_on(clock, span_of(now) + 100 * second);
    EXPECT_GE(deadline, before + 98 * second);
    EXPECT_LE(deadline, before + 101 * second);
  }
}

TEST(deadline_on, what_has_passed_is_due) {
  for (const core::nanoseconds point : {core::nanoseconds{0}, second}) {
    const core::nanoseconds deadline = deadline_on(CLOCK_REALTIME, point);
    EXPECT_LE(deadline, core::monotonic_now());
  }
}

TEST(deadline_on, the_end_of_time) {
  EXPECT_EQ(deadline_on(CLOCK_REALTIME, core::never), core::never);
  EXPECT_GT(deadline_on(CLOCK_REALTIME, core::never - 1), core::monotonic_now() + 1000 * second);
}

} // namespace
} // namespace weft::patch
