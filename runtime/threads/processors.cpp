// SPDX-License-Identifier: BSL-1.0
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <thread>

#include "runtime/core/cpu_quota.hpp"
#include "weft/run.hpp"

namespace weft {
namespace {

std::string_view read_small(const char* path, core::small_text& room) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t length = ::read(fd, room, sizeof room);
  ::close(fd);
  return {room, static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
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

} // namespace

unsigned usable_processors() {
  const unsigned allowed = std::max(in_affinity_mask(), 1U);
  const unsigned quota = core::processors_in_own_quota(read_small);
  return quota == 0 ? allowed : std::min(allowed, quota);
}

} // namespace weft
