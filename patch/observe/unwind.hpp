// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/observe/readable.hpp"
#include "patch/observe/registers.hpp"

namespace weft::patch {

/// Goes from a function to its caller by .eh_frame, without malloc, locks, or anything else that a
/// thread may have been stopped in: any thread's stack can be walked, from a signal handler too.
/// False at the end of the stack, where nothing describes the code, or what is described cannot be.
bool to_caller(stack_registers& registers, readable_memory& memory) noexcept;

} // namespace weft::patch
