// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/cpu_quota.hpp"

#include <gtest/gtest.h>

using namespace weft::core;

namespace {

TEST(cpu_quota, a_part_of_a_processor_counts_as_one) {
  EXPECT_EQ(processors_in_quota("200000 100000\n"), 2u);
  EXPECT_EQ(processors_in_quota("150000 100000\n"), 2u);
  EXPECT_EQ(processors_in_quota("1000 100000\n"), 1u);
  EXPECT_EQ(processors_in_quota("6400000 100000"), 64u);
}

TEST(cpu_quota, no_limit_or_nothing_to_be_understood_is_zero) {
  for (const char* text : {"max 100000\n", "", "\n", "100000", "100000 0\n", "quota"})
    EXPECT_EQ(processors_in_quota(text), 0u) << text;
}

TEST(cpu_quota, the_group_is_that_of_the_second_version) {
  EXPECT_EQ(control_group_of("0::/user.slice/a:b\n"), "/user.slice/a:b");
  EXPECT_EQ(control_group_of("12:cpu,cpuacct:/x\n1:name=systemd:/y\n0::/z\n"), "/z");
  EXPECT_EQ(control_group_of("0::/"), "/");
  EXPECT_EQ(control_group_of("12:cpu,cpuacct:/x\n"), "");
  EXPECT_EQ(control_group_of(""), "");
}

TEST(cpu_quota, limits_of_the_groups_above_hold_too) {
  EXPECT_EQ(parent_group("/a/b"), "/a");
  EXPECT_EQ(parent_group("/a"), "/");
  EXPECT_EQ(parent_group("/"), "");
  EXPECT_EQ(parent_group(""), "");
}

} // namespace
