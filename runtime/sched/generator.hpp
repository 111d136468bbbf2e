// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <utility>

#include "runtime/core/context/context.hpp"
#include "runtime/sched/carrier.hpp"
#include "runtime/sched/exception_state.hpp"
#include "runtime/sched/hub.hpp"
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
  void cross_to_body() noexcept;
  void cross_to_caller() noexcept;
  /// Runs the body until it comes back; the caller's side.
  void enter(bool lets_pass);
  /// What the body asks, and goes back to it.
  void answer();
  /// Whether an exception that leaves the body may be thrown in its caller; the body's side. The
  /// caller looks at its own stack.
  bool may_throw_beneath();

  static generator_stack* make(generator_core& body);
  void release() noexcept;

  /// Every body's entry.
  static void run(core::transfer from);
};

/// The same of a thread without a hub, and inside callbacks.
extern thread_local constinit carrier* stack_outside_fibers [[gnu::tls_model("initial-exec")]];

/// On which stack the calling thread is, if it is not its own or a hub's: that of its fiber, or of
/// a generator. Changed by `cross`.
inline carrier*& current_stack() noexcept {
  if (const hub* h = this_hub)
    if (state* fiber = h->running()) return fiber->stack;
  return stack_outside_fibers;
}

/// The innermost open timeout_scope of the fiber that runs.
inline const void* current_timeouts() noexcept {
  const hub* h = this_hub;
  const state* fiber = h ? h->running() : nullptr;
  return fiber && fiber->extras ? fiber->extras->timeouts : nullptr;
}

inline bool generator_stack::started_here() const noexcept {
  return thread == &stack_outside_fibers || (hub_of_thread && hub_of_thread == this_hub);
}

/// Inline in what is called for each value: a processor predicts a return by the call before it,
/// which here was another one, and a wrong one takes 13 ns; hence also the jump that is none.
/// Nothing of the thread is to be looked up after it in the same function, since the compiler does
/// not know that its address may have changed.
[[gnu::always_inline]] inline void generator_stack::cross(execution& from, execution& to) noexcept {
  // Member by member, as in hub::switch_from: a copy of 16 bytes waits for what was written as 8
  // and 4 of them.
  exception_state& exceptions = *thread_exception_state();
  std::swap(exceptions.caught, other_exceptions.caught);
  std::swap(exceptions.uncaught, other_exceptions.uncaught);
  std::swap(current_stack(), other_stack);
  if (body->where == generator_phase::finished)
    from.leave_for_good(to);
  else
    from.leave_for(to);
  const core::transfer t = core::jump_unpaired(other_context, &other_context);
  *static_cast<void**>(t.data) = t.from;
  from.arrive_from(to);
}

[[gnu::always_inline]] inline void generator_stack::enter(bool lets_pass) {
  caller_as.adopt_current();
  caller_passes = lets_pass;
  timeouts = current_timeouts();
  cross(caller_as, as);
  if (asks) [[unlikely]]
    answer();
}

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
