// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/shared_memory.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

/// Linux 6.11's question about one mapping; Debian 12's headers do not have it yet.
struct procmap_query {
  std::uint64_t size;
  std::uint64_t query_flags;
  std::uint64_t query_addr;
  std::uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
  std::uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
  std::uint64_t vma_name_addr, build_id_addr;
};
constexpr unsigned long ask_procmap = _IOWR('f', 17, procmap_query);
constexpr std::uint64_t vma_shared = 8;

long open_maps() noexcept {
  return raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
}

/// Looks for the first line `start-end perm ...` that `is_wanted(start, end, shared)`. Whether it
/// is shared, 0 or 1, or -1: there is none.
template <class Predicate>
int search_maps(int maps, Predicate&& is_wanted) noexcept {
  char buffer[2048];
  enum { start, end, permissions, rest } field = start;
  std::uintptr_t bounds[2] = {};
  int position = 0; // in the permissions
  long n;
  while ((n = raw_syscall(SYS_read, maps, buffer, sizeof buffer)) > 0) {
    for (long i = 0; i < n; ++i) {
      const char c = buffer[i];
      if (c == '\n') {
        field = start;
        bounds[0] = bounds[1] = 0;
        position = 0;
      } else if (field == permissions) {
        if (++position < 4) continue;
        if (is_wanted(bounds[0], bounds[1], c == 's')) return c == 's';
        field = rest;
      } else if (field != rest) {
        if (c == '-')
          field = end;
        else if (c == ' ')
          field = permissions;
        else
          bounds[field] =
              bounds[field] * 16 + static_cast<std::uintptr_t>(c <= '9' ? c - '0' : c - 'a' + 10);
      }
    }
  }
  return -1;
}

/// As above, by the kernel's own look-up where it has one.
int ask_kernel(std::uintptr_t address) noexcept {
  const long maps = open_maps();
  if (is_error(maps)) return -1;
  procmap_query query{};
  query.size = sizeof query;
  query.query_addr = address;
  const long asked = raw_syscall(SYS_ioctl, maps, ask_procmap, &query);
  int found = -1;
  if (asked == 0)
    found = (query.vma_flags & vma_shared) != 0;
  else if (asked != -ENOENT)
    found =
        search_maps(static_cast<int>(maps), [&](std::uintptr_t start, std::uintptr_t end, bool) {
          return address >= start && address < end;
        });
  raw_syscall(SYS_close, maps);
  return found;
}

} // namespace

void shared_memory::look_for_others() noexcept {
  const long maps = open_maps();
  const auto any = [](std::uintptr_t, std::uintptr_t, bool shared) { return shared; };
  if (is_error(maps) || search_maps(static_cast<int>(maps), any) == 1) note_change();
  if (!is_error(maps)) raw_syscall(SYS_close, maps);
}

bool shared_memory::look_up(std::uintptr_t address) noexcept {
  const std::uintptr_t number = address >> 12;
  page& p = cache_[number % cache_size];
  if (p.number == number && p.as_of == changes_) return p.shared;
  const int found = ask_kernel(address);
  if (found < 0) return true; // not known: then it is safe to believe so
  p = {number, changes_, found == 1};
  return p.shared;
}

} // namespace weft::patch
