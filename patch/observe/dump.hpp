// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <ucontext.h>

namespace weft::patch {

struct green;

/// Prints every green thread, what it waits for and its stack to standard error. To be called by
/// who holds the processor; `interrupted` is where a signal found the caller in the program's
/// code, null if it was in weft's. What runs on other workers shows itself a moment later.
void dump_threads(const ucontext_t* interrupted) noexcept;

/// The same of one thread, by whoever runs it, or of one that does not run.
void show_thread(green& g, const ucontext_t* interrupted) noexcept;

} // namespace weft::patch
