// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace weft::patch {

/// Stacks for the frames of preempted threads: one thread's registers, whatever the processor has,
/// and a few calls of weft's own. To be used by who holds the processor.
///
/// The top of one, or null if there is no memory.
[[nodiscard]] char* take_preempt_stack() noexcept;

/// Gives back the stack on which `somewhere` lies. The caller may still be on it, as long as
/// nothing can run in between: all signals are blocked until it has left.
void release_preempt_stack(const void* somewhere) noexcept;

} // namespace weft::patch
