// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/machine.hpp"

namespace weft::patch {

/// Whether g's call is the kernel's, mask and all, since there is no other thread. What handlers
/// find blocked is then that mask.
[[nodiscard]] inline bool left_to_kernel(green& g, const std::uint64_t* mask) noexcept {
  if (the_machine().now == phase::active) return false;
  if (mask) {
    g.call_mask = *mask;
    g.has_call_mask = true;
  }
  return true;
}

} // namespace weft::patch
