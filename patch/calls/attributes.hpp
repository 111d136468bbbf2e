// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/sites/entry.hpp"

/// What the kernel keeps for each of its threads.
namespace weft::patch {

/// Whether prctl's `option` changes the calling kernel thread, and not the process.
[[nodiscard]] bool changes_kernel_thread(int option) noexcept;

/// Looks at what prctl is asked for, and says so if weft cannot live with it.
void before_prctl(const syscall_frame& f) noexcept;

} // namespace weft::patch
