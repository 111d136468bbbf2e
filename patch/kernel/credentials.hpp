// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/syscall.h>

#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {

/// A kernel thread's users and groups, as far as libc changes them for all threads at once.
struct credentials {
  static constexpr int most_groups = 256;

  unsigned users[3] = {};  // real, effective, saved
  unsigned groups[3] = {}; // likewise
  int count = 0;
  unsigned supplementary[most_groups] = {};

  bool operator==(const credentials&) const = default;
};

[[nodiscard]] inline credentials own_credentials() noexcept {
  credentials c;
  raw_syscall(SYS_getresuid, &c.users[0], &c.users[1], &c.users[2]);
  raw_syscall(SYS_getresgid, &c.groups[0], &c.groups[1], &c.groups[2]);
  const long count = raw_syscall(SYS_getgroups, credentials::most_groups, c.supplementary);
  c.count = is_error(count) ? -1 : static_cast<int>(count);
  return c;
}

/// Makes them the calling kernel thread's, the users last: they are what allows the rest.
inline void adopt(const credentials& c) noexcept {
  if (c.count >= 0) raw_syscall(SYS_setgroups, c.count, c.supplementary);
  raw_syscall(SYS_setresgid, c.groups[0], c.groups[1], c.groups[2]);
  raw_syscall(SYS_setresuid, c.users[0], c.users[1], c.users[2]);
}

} // namespace weft::patch
