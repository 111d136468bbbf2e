// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "runtime/sched/hub.hpp"
#include "runtime/sched/inbox.hpp"
#include "weft/detail/state.hpp"

/// What happens to the state behind a handle: waiters, outcome, handles. Any thread.
namespace weft::detail {

/// Something that is to happen when a state gets its outcome: one place in its list of waiters.
/// `deliver` is called once, on `home`'s thread, or, if `home` is null or has ended, wherever
/// the outcome is set. It may not block or throw.
///
/// Who takes it out by `detach` knows from the answer whether the call is still to come (it may
/// be on its way through an inbox): then the object has to stay until it came.
struct completion : inbox_item {
  completion* prev = nullptr;
  completion* next = nullptr;
  hub* home = nullptr;
  state* of = nullptr;
};

/// False, and no effect, if there is an outcome already. `c.home` and `c.deliver` are set.
bool attach(state& s, completion& c) noexcept;
/// Whether `c` was still waiting; if not, `deliver` was or will be called.
bool detach(completion& c) noexcept;
/// Gives `s` its outcome and wakes all who wait; what it needs is in its storage. False, without
/// effect, if there is one.
bool settle(state& s, outcome_kind outcome) noexcept;
/// The same of one that has none, but leaves it to the caller to wake the chain that it gives.
completion* take_outcome(state& s, outcome_kind outcome) noexcept;

/// Empties the list of waiters into a chain; under the state lock.
completion* take_waiters_slowly(state& s) noexcept;
inline completion* take_waiters(state& s) noexcept {
  return s.waiters ? take_waiters_slowly(s) : nullptr;
}
/// Delivers a chain, oldest first, as seen from `here`'s thread (null: one without a hub).
void deliver_all(completion* chain, hub* here) noexcept;

/// `shared_refs` of a state without a home that has one handle.
inline constexpr std::int32_t first_homeless_handle = 5;
inline constexpr std::int32_t two_homeless_handles = 9;
/// In a forked child: nobody holds the locks of states without a home.
void reset_homeless_after_fork() noexcept;

/// No handle is left: reports an exception nobody saw, destroys the result, frees the block.
void destroy(state& s) noexcept;
/// The same on the thread of its home.
inline void destroy_at_home(state& s, hub& home) noexcept {
  if (s.outcome.load(std::memory_order_relaxed) == outcome_kind::value && !s.type->drop_result &&
      !s.extras) [[likely]]
    home.free_block_at_home(s);
  else
    destroy(s);
}

inline void drop_callable(state& s) noexcept {
  if (s.type->drop_callable) s.type->drop_callable(s);
  s.clear(has_callable);
}

/// The fiber's extras, made if it has none. Throws std::bad_alloc.
fiber_extras& extras_of(state& s);

/// Holds the state's lock.
class [[gnu::visibility("hidden")]] state_guard {
 public:
  state_guard(state & s) noexcept;
  state_guard(const state_guard&) = delete;
  state_guard& operator=(const state_guard&) = delete;
  ~state_guard();

 private:
  hub* home_;
  bool owner_;
  std::mutex* mutex_ = nullptr;
};

} // namespace weft::detail
