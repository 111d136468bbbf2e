// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace weft::patch {

struct worker;

/// Stacks for the frames of preempted threads: one thread's registers, whatever the processor has,
/// and a few calls of weft's own.
struct preempt_stack {
  preempt_stack* next;
};

/// The top of one, for w, the caller, or null if there is no memory.
[[nodiscard]] char* take_preempt_stack(worker& w) noexcept;

/// Gives back the stack on which `somewhere` lies. w, the caller, may still be on it until it takes
/// the next, as long as nothing can run in between: all signals are blocked until it has left.
void release_preempt_stack(worker& w, const void* somewhere) noexcept;

/// In a fork's child, whose other threads can't go on.
void reset_preempt_stacks_after_fork() noexcept;

} // namespace weft::patch
