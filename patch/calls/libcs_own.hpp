// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include "patch/sites/entry.hpp"

/// Calls that libc makes on its own account mean more than the bare ones.
namespace weft::patch {

struct code_range {
  std::uint64_t low = 0, high = 0;
  [[nodiscard]] bool contains(std::uint64_t at) const noexcept { return at >= low && at < high; }
};
/// libc's own code, and in it syscall(2).
extern code_range libcs_code, libcs_syscall;

/// Whether libc makes the call itself, and not the program by syscall(2) or an instruction of its
/// own.
[[nodiscard]] inline bool is_libcs_own(const syscall_frame& f) noexcept {
  return libcs_code.contains(f.resume) && !libcs_syscall.contains(f.resume);
}

/// Finds libc. At start.
void find_libc() noexcept;

} // namespace weft::patch
