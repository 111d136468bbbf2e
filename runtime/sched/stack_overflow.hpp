// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace weft::detail {

/// Gives the calling thread an alternate signal stack, if it has none, and the process a SIGSEGV
/// handler that names the fiber whose stack ran into its guard page. Other faults go to the
/// handler that was there before.
void watch_for_stack_overflow();
/// Takes the calling thread's alternate stack away again, if it is weft's.
void ignore_stack_overflow() noexcept;

} // namespace weft::detail
