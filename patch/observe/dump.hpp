// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <ucontext.h>

namespace weft::patch {

/// Prints every green thread, what it waits for and its stack to standard error. To be called by
/// who holds the processor; `interrupted` is where a signal found the caller in the program's
/// code, null if it was in weft's.
void dump_threads(const ucontext_t* interrupted) noexcept;

} // namespace weft::patch
