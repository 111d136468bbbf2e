// SPDX-License-Identifier: BSL-1.0
#include "weft/with_timeout.hpp"

#include "runtime/future/wait.hpp"
#include "runtime/sched/error_report.hpp"
#include "weft/error.hpp"

namespace weft::detail {

namespace {
[[noreturn]] void throw_timeout(const state& s) {
  throw timeout_error("weft: with_timeout: the time was over before " + describe(s) + " was done");
}
} // namespace

void check_may_wait() {
  if (const hub* h = this_hub) h->running_or_throw();
}

void wait_with_timeout(state& s, std::int64_t until) {
  auto [done, interrupted] = wait_passing_on(s, until, blocking_call::with_timeout);
  bool expired = false;
  if (!done) {
    if (!interrupted) {                          // else it was asked to end already
      if (s.has(thread_fiber)) throw_timeout(s); // which cannot be cancelled
      expired = cancel_state(s, nullptr);        // if that came too late the outcome counts
    }
    const auto end = wait_passing_on(s, core::never, blocking_call::with_timeout);
    interrupted = interrupted || end.interrupted;
  }
  if (interrupted) this_hub->throw_interrupt();
  if (expired && s.outcome.load(std::memory_order_acquire) == outcome_kind::cancelled)
    throw_timeout(s);
}

} // namespace weft::detail
