// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <ucontext.h>

#include "patch/kernel/green.hpp"

/// Calls that the kernel makes for a green thread and that may take their time. The worker is
/// marked as being in one: if it is stuck there the monitor gives its processor to another.
namespace weft::patch {

/// Makes the call in `frame` for g, the caller, as the program would: signals are handled while it
/// waits, by the rules of signal(7). Returns the kernel's result. g may be on another worker then.
long native_call(green& g, const syscall_frame& frame) noexcept;

/// The same for a call of weft's own making.
template <class... Arguments>
long native_call(green& g, long number, Arguments... arguments) noexcept {
  syscall_frame frame{};
  frame.rax = static_cast<std::uint64_t>(number);
  std::uint64_t* const places[] = {&frame.rdi, &frame.rsi, &frame.rdx,
                                   &frame.r10, &frame.r8,  &frame.r9};
  int next = 0;
  ((*places[next++] = (std::uint64_t)arguments), ...); // integers and pointers
  return native_call(g, frame);
}

/// g, the caller, does not wait in the kernel any more, or never comes back to where it did.
void forget_waiter(green& g) noexcept;
/// g, the caller, came back on a worker that has lost its processor: returns when it has one, perhaps
/// on another worker.
void find_processor(green& g) noexcept;

/// Ends weft's part of a call by which g, the caller, makes a process in this memory. One by vfork
/// keeps it waiting: until `regain_processor` the processor may be taken away. Nothing of weft's
/// happens in between.
void lend_for_spawn(green& g) noexcept;
/// Back from the kernel: g, the caller, goes on when it has a processor, inside weft.
void regain_processor(green& g) noexcept;

/// What a signal handler's end has to know about the handlers that ran.
struct delivery;

/// Whether the signal that came at `context` has ended a native call.
[[nodiscard]] bool ended_native_call(const ucontext_t& context) noexcept;

/// At the end of handling signals that found g, the caller, at `context`: if that is in a native
/// call, sees to its being restarted or not, and marks it again as being in one. `lasts`: it had
/// lost the processor when the signal came, and may have given it away again on return.
void resume_native(green& g, ucontext_t& context, const delivery& done, bool lasts) noexcept;

/// The first thing that a signal does in the program's code: nothing may be touched before the
/// processor is held. Says what the worker was at.
enum class worker_state : std::uint32_t;
worker_state interrupt_native(green& g) noexcept;

} // namespace weft::patch
