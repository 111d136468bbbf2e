// SPDX-License-Identifier: BSL-1.0
#include <new>

#include "runtime/core/sys.hpp"
#include "runtime/sched/error_report.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/reach.hpp"
#include "runtime/sched/state.hpp"
#include "weft/future.hpp"
#include "weft/promise.hpp"
#include "weft/task.hpp"
#include "weft/waitable.hpp"

namespace weft::detail {

void throw_no_state(const char* call) {
  throw future_error(std::string("weft: ") + call +
                     " of an empty handle; it was default-made, or moved from");
}

void throw_empty_handle() {
  throw future_error("weft: an empty handle among those to wait for; it was default-made, or "
                     "moved from");
}

namespace {
task_cancelled make_task_cancelled(const state& s) {
  return task_cancelled("weft: " + describe(s) + " was cancelled");
}
} // namespace

state& forwarded_value(state& s) {
  state* at = &s;
  while (at->outcome.load(std::memory_order_acquire) == outcome_kind::forwarded)
    at = at->forwarded_to();
  if (at->outcome.load(std::memory_order_acquire) != outcome_kind::value) throw_outcome(*at);
  return *at;
}

void throw_outcome(state& s) {
  if (s.outcome.load(std::memory_order_acquire) == outcome_kind::cancelled)
    throw make_task_cancelled(s);
  s.set(outcome_seen);
  std::rethrow_exception(s.error());
}

std::exception_ptr outcome_exception(state& s) {
  switch (s.outcome.load(std::memory_order_acquire)) {
  case outcome_kind::pending:
    throw future_error("weft: exception of " + describe(s) +
                       ", which has no outcome yet; wait for it first");
  case outcome_kind::value:
  case outcome_kind::forwarded:
    return nullptr;
  case outcome_kind::error:
    s.set(outcome_seen);
    return s.error();
  case outcome_kind::cancelled:
    break;
  }
  return std::make_exception_ptr(make_task_cancelled(s));
}

// Promises ---------------------------------------------------------------

state_ref new_promise(const state_type& type) {
  if (hub* h = this_hub) return state_ref(&h->allocate_block(type));
  auto* s = new state;
  s->type = &type;
  s->shared_refs.store(first_homeless_handle, std::memory_order_relaxed);
  return state_ref(s);
}

bool try_claim(state& s) noexcept {
  const state_guard held(s);
  if (s.done() || s.has(claimed)) return false;
  s.set(claimed);
  return true;
}

void claim(state& s) {
  if (!try_claim(s))
    throw future_error("weft: this promise has an outcome already; it can be set only once");
}

void unclaim(state& s) noexcept {
  const state_guard held(s);
  s.clear(claimed);
}

void settle_claimed(state& s, outcome_kind kind) noexcept {
  settle(s, kind);
}

void set_error(state& s, std::exception_ptr error) {
  if (!error) throw future_error("weft: set_exception with null; there is no exception to set");
  claim(s);
  ::new (static_cast<void*>(s.storage)) std::exception_ptr(std::move(error));
  settle(s, outcome_kind::error);
}

void abandon_promise(state& s) noexcept {
  if (!try_claim(s)) return;
  s.set(outcome_seen); // whoever waits learns of it; nobody else needs to
  ::new (static_cast<void*>(s.storage)) std::exception_ptr(
      std::make_exception_ptr(broken_promise("weft: the promise went away without being set")));
  settle(s, outcome_kind::error);
}

// Cancelling -------------------------------------------------------------

namespace {

/// A request to a fiber of another thread's hub, or that nobody has taken yet.
struct interrupt_message : inbox_item {
  state_ref fiber;
  std::exception_ptr error;
};

bool interrupt_elsewhere(state& s, std::exception_ptr error) noexcept {
  if (s.done()) return false;
  auto* m = new (std::nothrow) interrupt_message;
  if (!m) core::sys::fatal("weft: no memory for a cancellation of another thread's fiber\n");
  retain(s);
  m->fiber = state_ref(&s);
  m->error = std::move(error);
  m->deliver = [](inbox_item& item) noexcept {
    const std::unique_ptr<interrupt_message> mine(static_cast<interrupt_message*>(&item));
    this_hub->interrupt(*mine->fiber, std::move(mine->error));
  };
  std::vector<std::stop_source> stops;
  const reached how = reach(s, *m, [&] { // as hub::interrupt does with one that did not start
    if (m->error) {
      extras_of(s).interrupt = m->error;
      s.set(throw_requested);
    } else {
      s.set(cancel_requested);
      if (s.extras) stops = std::exchange(s.extras->stops, {});
    }
  });
  if (how == reached::posted) return true;
  delete m;
  request_stops(stops);
  return how == reached::untaken;
}

} // namespace

bool cancel_state(state& s, std::exception_ptr error) noexcept {
  if (!s.type->run) {
    if (error) return false;
    if (s.type->cancel) return s.type->cancel(s);
    if (!try_claim(s)) return false;
    return settle(s, outcome_kind::cancelled);
  }
  // Only deadlock_error reaches a thread's own fiber: the thread's code did not ask for more.
  if (s.has(thread_fiber)) return false;
  if (this_hub && runner_of(s) == this_hub) return this_hub->interrupt(s, std::move(error));
  return interrupt_elsewhere(s, std::move(error));
}

bool kill_task(state& s, std::exception_ptr error, std::int64_t until) {
  cancel_state(s, std::move(error));
  if (hub* h = this_hub; h && h->running() == &s) {
    h->switch_point();
    return false;
  }
  return wait_done(s, until, blocking_call::kill);
}

std::string task_name(const state& s) {
  return name_of(s);
}

} // namespace weft::detail
