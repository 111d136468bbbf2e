// SPDX-License-Identifier: BSL-1.0
#include "runtime/future/wait.hpp"

#include "runtime/sched/error_report.hpp"
#include "runtime/sched/thread_wait.hpp"
#include "weft/error.hpp"
#include "weft/future.hpp"

namespace weft::detail {

void throw_waits_for_itself(const state& self) {
  throw deadlock_error("weft: this operation would block for ever: " + describe(self) +
                       " waits for itself");
}

namespace {

/// Of a future that stands for others.
[[gnu::noinline]] bool wait_for_others(hub& h, state& s, core::nanoseconds until,
                                       blocking_call call) {
  const auto [done, interrupted] = wait_passing_on(s, until, call);
  if (interrupted) h.throw_interrupt();
  return done;
}

bool wait_in_fiber(hub& h, state& s, core::nanoseconds until, blocking_call call) {
  state& self = h.running_or_throw();
  refuse_own_fiber(self, s);
  if (s.type->cancel) [[unlikely]]
    return wait_for_others(h, s, until, call);
  h.switch_point();
  if (until == 0) return false;
  fiber_waiter w(h, self);
  if (!attach(s, w)) return true;
  const wake result = h.park(until, call, &s);
  if (result == wake::woken) return true;
  if (!detach(w)) { // set at the same time: it counts, and the object stays until told so
    while (!w.fired)
      h.park(core::never, call, &s, false);
    return true;
  }
  if (result == wake::interrupted) h.throw_interrupt();
  return false;
}

/// A thread without a hub that waits for one state.
struct thread_waiter : completion {
  std::atomic<std::uint32_t> fired{0};
};

} // namespace

bool wait_without_hub(state& s, core::nanoseconds until) {
  if (until == 0) return false;
  thread_waiter w;
  w.deliver = [](inbox_item& item) noexcept {
    wake_thread(static_cast<thread_waiter&>(item).fired);
  };
  if (!attach(s, w)) return true;
  if (wait_on_thread(w.fired, until)) return true;
  if (detach(w)) return false;
  return wait_on_thread(w.fired, core::never); // on its way
}

bool wait_done(state& s, std::int64_t until, blocking_call call) {
  if (s.done()) return true;
  if (hub* h = this_hub) return wait_in_fiber(*h, s, until, call);
  return wait_without_hub(s, until);
}

} // namespace weft::detail
