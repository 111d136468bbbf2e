// SPDX-License-Identifier: BSL-1.0
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <thread>

#include "runtime/core/cpu_quota.hpp"
#include "weft/run.hpp"

namespace weft {
namespace {

/// The beginning of a small file; empty if it cannot be read.
std::string read_small(const std::string& path) {
  std::array<char, 4096> text;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t length = ::read(fd, text.data(), text.size());
  ::close(fd);
  return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
}

unsigned in_affinity_mask() {
  // The kernel's mask may be longer than cpu_set_t.
  for (std::size_t processors = 1024; processors <= std::size_t{1} << 20; processors *= 2) {
    cpu_set_t* const mask = CPU_ALLOC(processors);
    if (!mask) break;
    const std::size_t size = CPU_ALLOC_SIZE(processors);
    const bool fits = ::sched_getaffinity(0, size, mask) == 0;
    const int count = fits ? CPU_COUNT_S(size, mask) : 0;
    CPU_FREE(mask);
    if (fits) return static_cast<unsigned>(count);
  }
  return std::thread::hardware_concurrency();
}

/// The least that the process's group and those above it may have; 0: no limit.
unsigned in_quota() {
  const std::string groups = read_small("/proc/self/cgroup");
  unsigned least = 0;
  for (auto group = core::control_group_of(groups); !group.empty();
       group = core::parent_group(group)) {
    for (const char* mounted : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
      const std::string directory = mounted + std::string(group == "/" ? "" : group);
      const unsigned processors = core::processors_in_quota(read_small(directory + "/cpu.max"));
      if (processors != 0) least = least == 0 ? processors : std::min(least, processors);
    }
  }
  return least;
}

} // namespace

unsigned usable_processors() {
  const unsigned allowed = std::max(in_affinity_mask(), 1U);
  const unsigned quota = in_quota();
  return quota == 0 ? allowed : std::min(allowed, quota);
}

} // namespace weft
