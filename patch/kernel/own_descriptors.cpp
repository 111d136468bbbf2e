// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/own_descriptors.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <new>

#include "patch/sites/raw_syscall.hpp"
#include "runtime/core/sparse_table.hpp"

namespace weft::patch {
namespace {

/// Whether a number is weft's. There may be many: a waited-for child has one, and so has
/// a call in progress on a descriptor that was closed under it.
core::sparse_table<bool>& own() noexcept {
  static constinit core::sparse_table<bool>* made = nullptr;
  alignas(core::sparse_table<bool>) static unsigned char storage[sizeof *made];
  if (!made) made = ::new (storage) core::sparse_table<bool>;
  return *made;
}

// All that were ever weft's lie between these two.
constinit int lowest = 0x7fffffff;
constinit int highest = -1;

void set_own(int fd, bool is_own) noexcept {
  if (bool* entry = own().touch(fd)) *entry = is_own;
  if (!is_own) return;
  if (fd < lowest) lowest = fd;
  if (fd > highest) highest = fd;
}

/// Where weft's descriptors begin, for a limit that allows numbers below `limit`. There is room
/// above for others who like the high end, and below for the program's own, lowest first.
long beginning(std::uint64_t limit) noexcept {
  // The kernel keeps a directory as large as the highest number: 64 Ki are enough to be out
  // of the way.
  const long end = limit > 65536 ? 65536 : static_cast<long>(limit);
  return end > 256 ? end - 64 : end - end / 4;
}

} // namespace

int move_out_of_sight(long fd) noexcept {
  rlimit limit{};
  raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  long moved = -1;
  // Where all numbers above are taken the next attempt begins half-way down.
  for (long low = beginning(limit.rlim_cur); is_error(moved) && low > fd; low /= 2)
    moved = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, low);
  if (is_error(moved))
    moved = fd;
  else
    raw_syscall(SYS_close, fd);
  set_own(static_cast<int>(moved), true);
  return static_cast<int>(moved);
}

bool is_own_descriptor(int fd) noexcept {
  const bool* entry = own().find(fd);
  return entry && *entry;
}

void close_own(int fd) noexcept {
  set_own(fd, false);
  raw_syscall(SYS_close, fd);
}

int next_own_descriptor(unsigned first, unsigned last) noexcept {
  if (highest < 0 || first > static_cast<unsigned>(highest)) return -1;
  for (int fd = first > static_cast<unsigned>(lowest) ? static_cast<int>(first) : lowest;
       fd <= highest && static_cast<unsigned>(fd) <= last; ++fd)
    if (is_own_descriptor(fd)) return fd;
  return -1;
}

} // namespace weft::patch
