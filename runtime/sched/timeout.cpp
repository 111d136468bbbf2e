// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/timeout.hpp"

#include <new>
#include <stdexcept>

#include "runtime/sched/state.hpp"

namespace weft {

using detail::timeout_record;

namespace {

timeout_record* innermost(const detail::state& fiber) noexcept {
  return fiber.extras ? fiber.extras->timeouts : nullptr;
}

template <class F>
void for_each(const detail::state& fiber, F&& f) {
  for (timeout_record* r = innermost(fiber); r; r = r->outer)
    f(*r);
}

timeout_record& record_in(std::byte* bytes) noexcept {
  return *std::launder(reinterpret_cast<timeout_record*>(bytes));
}
const timeout_record& record_in(const std::byte* bytes) noexcept {
  return *std::launder(reinterpret_cast<const timeout_record*>(bytes));
}

void time_is_over(timeout_record& r) noexcept {
  r.pending = r.expired = true;
  r.home->request_timeout(*r.fiber);
}

void start(timeout_record& r, core::nanoseconds when) noexcept {
  r.deadline = when;
  if (when == 0)
    time_is_over(r);
  else if (when != core::never)
    r.home->insert(r);
}

/// Neither in the wheel nor pending any more.
void stop(timeout_record& r) noexcept {
  r.home->cancel(r);
  if (!std::exchange(r.pending, false)) return;
  bool others = false;
  for_each(*r.fiber, [&](const timeout_record& other) { others |= other.pending; });
  if (!others) r.fiber->clear(detail::timeout_requested);
}

} // namespace

namespace detail {

timeout_scope* take_expired(state& fiber) noexcept {
  timeout_record* first = nullptr;
  bool others = false;
  for_each(fiber, [&](timeout_record& r) {
    if (!r.pending) return;
    others |= first != nullptr;
    if (!first || r.deadline <= first->deadline) first = &r;
  });
  if (!others) fiber.clear(timeout_requested);
  if (!first) return nullptr;
  first->pending = false;
  return first->scope;
}

void suspend_timeouts(state& fiber) noexcept {
  for_each(fiber, [](timeout_record& r) { r.home->cancel(r); });
}

void resume_timeouts(state& fiber) noexcept {
  for_each(fiber, [](timeout_record& r) {
    if (!r.expired && r.deadline != core::never) r.home->insert(r);
  });
}

} // namespace detail

timeout_scope::timeout_scope(deadline limit) {
  static_assert(sizeof(timeout_record) <= record_bytes && alignof(timeout_record) <= 8);
  hub* const h = detail::this_hub;
  if (!h || !h->running())
    throw std::logic_error("weft: a timeout_scope needs a fiber to throw into; make it inside "
                           "one, or spawn one and use with_timeout");
  detail::fiber_extras& extras = detail::extras_of(*h->running());
  auto& r = *::new (static_cast<void*>(record_)) timeout_record;
  r.fire = [](hub&, detail::hub_timer& t) noexcept {
    time_is_over(static_cast<timeout_record&>(t));
  };
  r.scope = this;
  r.home = h;
  r.fiber = h->running();
  r.outer = std::exchange(extras.timeouts, &r);
  start(r, limit.absolute());
}

timeout_scope::~timeout_scope() {
  close();
}

void timeout_scope::reschedule(deadline limit) {
  timeout_record& r = record_in(record_);
  if (!r.home) throw std::logic_error("weft: reschedule of a timeout_scope that is closed");
  stop(r);
  r.expired = false;
  start(r, limit.absolute());
}

bool timeout_scope::expired() const noexcept {
  return record_in(record_).expired;
}

void timeout_scope::close() noexcept {
  timeout_record& r = record_in(record_);
  if (!r.home) return;
  timeout_record** place = &r.fiber->extras->timeouts;
  while (*place != &r)
    place = &(*place)->outer;
  stop(r);
  *place = r.outer;
  r.home = nullptr;
}

} // namespace weft
