// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/usable_processors.hpp"

#include <fcntl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <string_view>

#include "patch/kernel/errors.hpp"
#include "patch/sites/raw_syscall.hpp"
#include "runtime/core/cpu_quota.hpp"

namespace weft::patch {
namespace {

constexpr std::size_t longest = 4096;

/// The beginning of a small file, in `room`; empty if it cannot be read.
std::string_view read_small(const char* path, char (&room)[longest]) noexcept {
  const long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return {};
  const long length = raw_syscall(SYS_read, fd, room, longest);
  raw_syscall(SYS_close, fd);
  return is_error(length) ? std::string_view{} : std::string_view{room, std::size_t(length)};
}

unsigned in_affinity_mask(pid_t tid) noexcept {
  unsigned long mask[longest / sizeof(unsigned long)]; // of 32768 processors
  const long size = raw_syscall(SYS_sched_getaffinity, tid, sizeof mask, mask);
  if (is_error(size)) return 1;
  unsigned count = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(size) / sizeof *mask; ++i)
    count += static_cast<unsigned>(__builtin_popcountl(mask[i]));
  return count;
}

/// Of one group's cpu.max; 0: no limit.
unsigned in_quota_of(std::string_view group, std::string_view mounted) noexcept {
  constexpr std::string_view name = "/cpu.max";
  char path[longest + 64];
  std::size_t length = 0;
  for (const std::string_view part : {mounted, group == "/" ? std::string_view{} : group, name}) {
    __builtin_memcpy(path + length, part.data(), part.size());
    length += part.size();
  }
  path[length] = 0;
  char text[longest];
  return core::processors_in_quota(read_small(path, text));
}

/// The least that the process's group and those above it may have; 0: no limit.
unsigned in_quota() noexcept {
  char text[longest];
  unsigned least = 0;
  for (auto group = core::control_group_of(read_small("/proc/self/cgroup", text)); !group.empty();
       group = core::parent_group(group)) {
    for (const std::string_view mounted : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
      const unsigned processors = in_quota_of(group, mounted);
      if (processors != 0 && (least == 0 || processors < least)) least = processors;
    }
  }
  return least;
}

} // namespace

unsigned usable_processors(pid_t tid) noexcept {
  const unsigned allowed = in_affinity_mask(tid);
  const unsigned quota = in_quota();
  const unsigned usable = quota != 0 && quota < allowed ? quota : allowed;
  return usable ? usable : 1;
}

} // namespace weft::patch
