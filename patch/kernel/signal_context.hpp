// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <signal.h>
#include <ucontext.h>

#include "patch/sites/entry.hpp"

/// What a handler sees as its third argument when the signal did not interrupt an
/// instruction but a patched call: the registers of that call.
namespace weft::patch {

void context_from_frame(const syscall_frame& frame, ucontext_t& context) noexcept;
/// Takes over what the handler changed among the registers that a call restores.
void frame_from_context(const ucontext_t& context, syscall_frame& frame) noexcept;
/// Leaves the stack on which the kernel has put a signal's frame: a copy of it is made below
/// `top`, and `handler` runs and returns on that.
[[noreturn]] void continue_below(void* top, void (*handler)(int, siginfo_t*, void*), int signal,
                                 const siginfo_t& info, const ucontext_t& context) noexcept;
/// The stack pointer that a signal interrupted.
[[nodiscard]] const void* interrupted_stack(const ucontext_t& context) noexcept;

/// The flags by which the program has the processor trap after each instruction, or at addresses
/// that are not aligned, mean nothing to the kernel. The entry stub, for which it would be dear to
/// look, leaves them alone. Whether it is because of one that weft's code was interrupted as `info`
/// tells: then that may go on, the second having been taken back until `call` ends.
[[nodiscard]] bool is_programs_trap(const siginfo_t& info, ucontext_t& context,
                                    syscall_frame* call) noexcept;

/// The second of them is not taken back by the kernel when it calls a signal handler: does that,
/// for the handler in which this is called. `context` has it put back afterwards.
void clear_alignment_check(const ucontext_t& context) noexcept;

} // namespace weft::patch
