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

std::string_view read_small(const char* path, core::small_text& room) noexcept {
  const long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return {};
  const long length = raw_syscall(SYS_read, fd, room, sizeof room);
  raw_syscall(SYS_close, fd);
  return is_error(length) ? std::string_view{} : std::string_view{room, std::size_t(length)};
}

unsigned in_affinity_mask(pid_t tid) noexcept {
  unsigned long mask[4096 / sizeof(unsigned long)]; // of 32768 processors
  const long size = raw_syscall(SYS_sched_getaffinity, tid, sizeof mask, mask);
  if (is_error(size)) return 1;
  unsigned count = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(size) / sizeof *mask; ++i)
    count += static_cast<unsigned>(__builtin_popcountl(mask[i]));
  return count;
}

} // namespace

unsigned usable_processors(pid_t tid) noexcept {
  const unsigned allowed = in_affinity_mask(tid);
  const unsigned quota = core::processors_in_own_quota(read_small);
  const unsigned usable = quota != 0 && quota < allowed ? quota : allowed;
  return usable ? usable : 1;
}

} // namespace weft::patch
