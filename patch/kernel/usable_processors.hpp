// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>

namespace weft::patch {

/// On how many processors at a time this process may run: those of the affinity mask
/// of kernel thread `tid`, by default the caller, but not more than the quota of its control group
/// and those above it allows. At least 1. Reads some small files.
[[nodiscard]] unsigned usable_processors(pid_t tid = 0) noexcept;

} // namespace weft::patch
