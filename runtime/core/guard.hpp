// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace weft::core {

/// How guard pages are made on this machine, best first.
enum class guard_kind {
  install, // MADV_GUARD_INSTALL (Linux 6.13): no mapping of its own, a million of them are cheap
  protect, // mprotect(PROT_NONE): one mapping each; fails at vm.max_map_count (32,743 stacks)
  none,    // neither worked
};

/// Makes [at, at+size) fault. Says how it was done; remembers what does not work, so that
/// later calls do not try it again (MADV_GUARD_INSTALL fails under mlockall(MCL_FUTURE)).
guard_kind install_guard(void* at, std::size_t size) noexcept;

/// Installs guards in the first `size` bytes of each of `count` (at most `most_advised_at_once`)
/// regions that follow each other, all by one call. False if that cannot be had, or not for all:
/// some may have theirs.
[[nodiscard]] bool install_guards(char* first, std::size_t count, std::size_t region,
                                  std::size_t size) noexcept;

/// Makes the pages usable again (zero-filled); `kind` is how they were guarded.
/// 0 or -errno. mprotect(PROT_READ|PROT_WRITE) alone does not lift an installed guard.
int remove_guard(void* at, std::size_t size, guard_kind kind) noexcept;

} // namespace weft::core
