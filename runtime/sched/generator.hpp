// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>

#include "runtime/core/context/context.hpp"
#include "runtime/sched/carrier.hpp"
#include "runtime/sched/exception_state.hpp"
#include "weft/detail/generator_core.hpp"

namespace weft::detail {

/// The stack of a generator that has started; lives at its top.
///
/// A generator's body is no fiber: whoever asks for the next value goes over to this stack and
/// comes back. The scheduler sees nothing of it but that the fiber's `stack` is another one
/// meanwhile; a fiber that parks in the body is suspended with this stack under its feet.
///
/// Crossing is symmetric: what belongs to the side that does not run is kept aside.
struct generator_stack : carrier {
  generator_core* body = nullptr;

  // Aside: the body's while it is suspended, else its caller's.
  core::context other_context = nullptr;
  exception_state other_exceptions;
  carrier* other_stack = nullptr; // in the fiber's `stack`

  execution caller_as;
  bool asks = false; // the body asks its caller whether an exception may pass, see below
  bool may_pass = false;
  bool caller_passes = true;      // this call of the caller's lets exceptions out
  const void* timeouts = nullptr; // the caller's innermost timeout_scope

  // Where it started.
  const void* thread = nullptr;
  const hub* hub_of_thread = nullptr;

  /// Whether the calling thread is the one on which it started.
  [[nodiscard]] bool started_here() const noexcept;
  /// Goes over to the other side.
  void cross(execution& from, execution& to) noexcept;
  /// Runs the body until it comes back; the caller's side.
  void enter(bool lets_pass);
  /// Whether an exception that leaves the body may be thrown in its caller; the body's side. The
  /// caller looks at its own stack.
  bool may_throw_beneath();

  static generator_stack* make(generator_core& body);
  void release() noexcept;

  /// Every body's entry.
  static void run(core::transfer from);
};

/// On which stack the calling thread is, if it is not its own or a hub's: that of its fiber, or of
/// a generator. Changed by `cross`.
carrier*& current_stack() noexcept;

/// The innermost open timeout_scope of the fiber that runs.
const void* current_timeouts() noexcept;

/// A fiber's own stack, whatever generator it is in; null of a thread's own fiber.
inline carrier* stack_of_fiber(const state& fiber) noexcept {
  carrier* c = fiber.stack;
  while (c && !c->home)
    c = static_cast<generator_stack*>(c)->other_stack;
  return c;
}

/// When the calling thread gets a hub: it may be inside generators. Gives the innermost one's
/// stack, which is from now on the fiber's.
carrier* take_stack_outside_fibers() noexcept;
/// Who is beneath all generators from `c` on.
execution& execution_beneath(carrier& c) noexcept;

/// Held over a fork.
void lock_generator_stacks() noexcept;
void unlock_generator_stacks() noexcept;

} // namespace weft::detail
