// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/own_descriptors.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constexpr int places = 16;
constinit int own[places];  // number + 1; 0: free

/// Room that is left above weft's descriptors for others who like the high end.
constexpr long headroom = 64;

}  // namespace

int move_out_of_sight(long fd) noexcept {
  rlimit limit{};
  raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  // A directory of the kernel's as large as the highest number is allocated: 64 Ki are enough
  // to be out of the way.
  long low = limit.rlim_cur > 65536 ? 65536 : static_cast<long>(limit.rlim_cur);
  low -= headroom;
  long moved = low > fd ? raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, low) : -1;
  if (is_error(moved))
    moved = fd;
  else
    raw_syscall(SYS_close, fd);
  for (int& place : own) {
    if (place != 0) continue;
    place = static_cast<int>(moved) + 1;
    break;
  }
  return static_cast<int>(moved);
}

bool is_own_descriptor(int fd) noexcept {
  for (int place : own)
    if (place == fd + 1) return fd >= 0;
  return false;
}

void close_own(int fd) noexcept {
  for (int& place : own)
    if (place == fd + 1) place = 0;
  raw_syscall(SYS_close, fd);
}

int next_own_descriptor(unsigned first, unsigned last) noexcept {
  int lowest = -1;
  for (int place : own) {
    if (place == 0) continue;
    const auto fd = static_cast<unsigned>(place - 1);
    if (fd >= first && fd <= last && (lowest < 0 || place - 1 < lowest)) lowest = place - 1;
  }
  return lowest;
}

}  // namespace weft::patch
