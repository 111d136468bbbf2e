// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/green.hpp"

namespace weft::patch {

/// Names a call of the kernel's that has just ended, and its caller g, which held its worker for
/// that long. Runs on g's own stack.
void report_slow_call(const green& g, const syscall_frame& call, core::nanoseconds took) noexcept;

} // namespace weft::patch
