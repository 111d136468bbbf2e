// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/cpu_quota.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>

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

/// What processors_in_own_quota finds where these are the files.
unsigned in_quota_among(const std::map<std::string, std::string>& files) {
  return processors_in_own_quota([&](const char* path, small_text& room) -> std::string_view {
    const auto found = files.find(path);
    if (found == files.end()) return {};
    return {room, found->second.copy(room, sizeof room)};
  });
}

TEST(cpu_quota, the_least_of_all_groups_counts_wherever_they_are_mounted) {
  const std::string group = "/proc/self/cgroup";
  EXPECT_EQ(in_quota_among({}), 0u);
  EXPECT_EQ(in_quota_among({{group, "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "300000 100000\n"}}), 3u);
  std::map<std::string, std::string> files{{group, "0::/a/b\n"},
                                           {"/sys/fs/cgroup/a/b/cpu.max", "max 100000\n"},
                                           {"/sys/fs/cgroup/a/cpu.max", "400000 100000\n"}};
  EXPECT_EQ(in_quota_among(files), 4u);
  files["/sys/fs/cgroup/unified/a/b/cpu.max"] = "200000 100000\n";
  EXPECT_EQ(in_quota_among(files), 2u);
  files["/sys/fs/cgroup/cpu.max"] = "100000 100000\n";
  EXPECT_EQ(in_quota_among(files), 1u);
  // As long as the kernel lets a path be.
  const std::string deep = "/" + std::string(4000, 'x');
  EXPECT_EQ(in_quota_among({{group, "0::" + deep}, {"/sys/fs/cgroup" + deep + "/cpu.max", "1 1"}}),
            1u);
}

} // namespace
