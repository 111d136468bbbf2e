// SPDX-License-Identifier: BSL-1.0
#include "runtime/future/wait.hpp"
#include "runtime/sched/deliverable.hpp"
#include "weft/future.hpp"

// A wait that hands the requests to end which reach it to what it waits for: gather, with_timeout,
// task_group. Whoever is asked to end does so after those it answers for (asyncio).

namespace weft::detail {
namespace {

/// Takes the fiber's pending requests out of sight, so that a further one ends a park; puts them
/// back when it goes.
class requests_aside {
 public:
  requests_aside(state& fiber, bool wanted) noexcept
      : fiber_(fiber),
        aside_(wanted ? fiber.flags.load(std::memory_order_relaxed) & unsigned{interrupt_requested}
                      : 0U) {
    fiber_.clear(aside_);
  }
  requests_aside(const requests_aside&) = delete;
  requests_aside& operator=(const requests_aside&) = delete;
  ~requests_aside() { fiber_.set(aside_); }

 private:
  state& fiber_;
  unsigned aside_;
};

} // namespace

passed_on wait_passing_on(state& s, core::nanoseconds until, blocking_call call,
                          bool interruptible) {
  if (s.done()) return {true, false};
  hub* const h = this_hub;
  if (!h) return {wait_without_hub(s, until), false};
  state& self = h->running_or_throw();
  refuse_own_fiber(self, s);

  fiber_waiter w(*h, self);
  if (!attach(s, w)) return {true, false};
  bool interrupted = interruptible && self.has(interrupt_requested) && may_throw_here();
  if (interrupted) cancel_state(s, nullptr);
  while (!w.fired) {
    auto result = wake::timed_out;
    if (until != 0) {
      const requests_aside aside(self, interrupted);
      result = h->park(until, call, &s, interruptible);
    }
    if (w.fired) break;
    if (result == wake::interrupted) {
      interrupted = true;
      cancel_state(s, nullptr);
    } else if (result == wake::timed_out) {
      if (detach(w)) return {false, interrupted};
      until = core::never; // on its way
    }
  }
  return {true, interrupted};
}

} // namespace weft::detail
