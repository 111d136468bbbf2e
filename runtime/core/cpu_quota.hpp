// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <string_view>

/// How to read what the kernel says about the processor time that a control group (version 2) may
/// have.
namespace weft::core {

/// A file cpu.max: "max 100000" or "150000 100000", microseconds in each period. Gives how many
/// processors that is, a part of one counted as one; 0: no limit (or not understood).
constexpr unsigned processors_in_quota(std::string_view cpu_max) noexcept {
  const auto number = [&]() -> unsigned long {
    unsigned long value = 0;
    std::size_t digits = 0;
    while (digits < cpu_max.size() && cpu_max[digits] >= '0' && cpu_max[digits] <= '9')
      value = value * 10 + static_cast<unsigned long>(cpu_max[digits++] - '0');
    cpu_max.remove_prefix(digits);
    while (!cpu_max.empty() && cpu_max.front() == ' ')
      cpu_max.remove_prefix(1);
    return value;
  };
  const unsigned long quota = number();
  const unsigned long period = number();
  if (quota == 0 || period == 0) return 0;
  return static_cast<unsigned>((quota + period - 1) / period);
}

/// A file /proc/self/cgroup: the process's group, "/a/b", which is below the place where the
/// control groups are mounted. Empty if there is none of version 2.
constexpr std::string_view control_group_of(std::string_view proc_cgroup) noexcept {
  while (!proc_cgroup.empty()) {
    const std::size_t end = proc_cgroup.find('\n');
    const std::string_view line = proc_cgroup.substr(0, end);
    if (line.starts_with("0::/")) return line.substr(3);
    if (end == std::string_view::npos) break;
    proc_cgroup.remove_prefix(end + 1);
  }
  return {};
}

/// "/a/b" -> "/a" -> "/" -> "".
constexpr std::string_view parent_group(std::string_view group) noexcept {
  if (group.size() <= 1) return {};
  const std::size_t last = group.rfind('/');
  return group.substr(0, last == 0 ? 1 : last);
}

/// The beginning of files that are small.
using small_text = char[4096];

/// The least that the process's group and those above it may have; 0: no limit. `read(path, room)`
/// gives the beginning of a file, in that room; nothing if it cannot be read.
template <class Read>
unsigned processors_in_own_quota(Read&& read) {
  small_text groups;
  small_text text;
  char path[sizeof groups + 64];
  unsigned least = 0;
  for (auto group = control_group_of(read("/proc/self/cgroup", groups)); !group.empty();
       group = parent_group(group)) {
    for (const std::string_view mounted : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
      std::size_t length = 0;
      const std::string_view below = group == "/" ? std::string_view{""} : group;
      for (const std::string_view part : {mounted, below, std::string_view{"/cpu.max"}}) {
        __builtin_memcpy(path + length, part.data(), part.size());
        length += part.size();
      }
      path[length] = 0;
      const unsigned processors = processors_in_quota(read(path, text));
      if (processors != 0 && (least == 0 || processors < least)) least = processors;
    }
  }
  return least;
}

} // namespace weft::core
