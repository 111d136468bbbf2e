// SPDX-License-Identifier: BSL-1.0
#include "weft/spawn.hpp"

#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"

namespace weft {

using detail::phase;
using detail::state;

namespace detail {
namespace {

[[gnu::noinline]] void inherit_or_discard(const hub& h, const state& spawner, state& s) {
  // The spawner is to end and does not know it yet, or this might not be spawned.
  if (h.cancels_all() && spawner.has(cancel_requested)) s.set(cancel_requested);
  try {
    inherit_locals(spawner, s);
  } catch (...) {
    discard_fiber(s);
    throw;
  }
}

/// A fiber's block, with what it inherits.
state& make_fiber(hub& h, const state_type& type) {
  state& s = h.allocate_fiber(type);
  const state& spawner = h.running() ? *h.running() : h.thread_fiber();
  if (spawner.has(has_inherited | cancel_requested)) [[unlikely]]
    inherit_or_discard(h, spawner, s);
  return s;
}

} // namespace

state& new_fiber(const state_type& type, const spawn_options* options) {
  hub& h = hub::here();
  const std::uint32_t stack_class =
      h.class_of(options && options->stack_size ? stack_class_for(options->stack_size) : 0,
                 options && options->identity == fiber_identity::shared);
  state& s = make_fiber(h, type);
  s.stack_class = stack_class;
  if (options && !options->name.empty()) {
    try {
      extras_of(s).name = options->name;
    } catch (...) {
      discard_fiber(s);
      throw;
    }
  }
  return s;
}

state& new_queued_fiber(const state_type& type) {
  hub& h = hub::here();
  state& s = make_fiber(h, type);
  s.stack_class = h.default_class();
  s.set(has_callable);
  h.make_ready(s);
  return s;
}

void queue_fiber(state& s) noexcept {
  s.home->make_ready(s);
}

void start_fiber_at(state& s, std::int64_t when) {
  auto timer = std::make_unique<hub_timer>();
  timer->fiber = &s;
  timer->deadline = when;
  timer->fire = [](hub& h, hub_timer& t) noexcept { h.start_now(*t.fiber); };
  extras_of(s).start_timer = timer.get();
  s.where = phase::later;
  if (when != core::never) s.home->insert(*timer);
  static_cast<void>(timer.release());
}

void discard_fiber(state& s) noexcept {
  s.local_refs = 0;
  if (s.home) s.home->forget_fiber();
  destroy(s);
}

} // namespace detail

void hub::start_now(state& fiber) noexcept {
  detail::hub_timer* const timer = std::exchange(fiber.extras->start_timer, nullptr);
  if (timer->linked()) wheel_.cancel(*timer);
  delete timer;
  fiber.where = phase::unstarted;
  make_ready(fiber);
}

} // namespace weft
