// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/homeless.hpp"

#include <memory>

#include "runtime/sched/carrier.hpp"
#include "runtime/sched/fiber_local.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"
#include "weft/spawn.hpp"

namespace weft::detail {
namespace {

/// On the thread of the hub that is to run it.
void arrive(inbox_item& item) noexcept {
  this_hub->take_in(static_cast<homeless_fiber&>(item));
}

// Ids of fibers that threads without a hub make: apart from those of any hub.
std::atomic<std::uint64_t> next_id_outside_hubs{std::uint64_t{1} << 63};

} // namespace

homeless_fiber& new_homeless_fiber(const state_type& type, const spawn_options* options) {
  auto fiber = std::make_unique<homeless_fiber>();
  fiber->type = &type;
  fiber->where = phase::unstarted;
  fiber->shared_refs.store(two_homeless_handles, std::memory_order_relaxed);
  if (hub* const h = this_hub) {
    fiber->id = h->next_id();
    if (const state* const spawner = h->running()) {
      fiber->spawner = spawner->id;
      fiber->of_cleanup = h->cancels_all() && !spawner->has(cancel_requested);
    }
  } else {
    fiber->id = next_id_outside_hubs.fetch_add(1, std::memory_order_relaxed);
  }
  if (options) {
    if (options->stack_size) fiber->asked_stack_class = stack_class_for(options->stack_size);
    fiber->light = options->identity == fiber_identity::shared;
  }
  try {
    if (options && !options->name.empty()) extras_of(*fiber).name = options->name;
    if (auto inherited = current_inherited()) set_inherited_of(*fiber, std::move(inherited));
  } catch (...) {
    delete fiber->extras;
    throw;
  }
  return *fiber.release();
}

void send(homeless_fiber& fiber, hub& to) noexcept {
  fiber.deliver = &arrive;
  if (&to == this_hub)
    to.take_in(fiber);
  else if (!to.post(fiber))
    cancel_untaken(fiber);
}

void cancel_untaken(homeless_fiber& fiber) noexcept {
  drop_callable(fiber);
  if (fiber.extras) end_locals(fiber);
  fiber.where = phase::finished;
  settle(fiber, outcome_kind::cancelled);
  release(fiber);
}

void lose(homeless_fiber& fiber) noexcept {
  fiber.where = phase::finished;
  fiber.clear(has_callable);
  fiber.waiters = nullptr;
  fiber.outcome.store(outcome_kind::cancelled, std::memory_order_relaxed);
}

void lose_if_fiber(inbox_item& item) noexcept {
  if (item.deliver == &arrive) lose(static_cast<homeless_fiber&>(item));
}

} // namespace weft::detail
