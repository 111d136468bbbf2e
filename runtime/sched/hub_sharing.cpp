// SPDX-License-Identifier: BSL-1.0
#include <optional>

#include "runtime/sched/deadlock.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/hub_group.hpp"
#include "runtime/sched/state.hpp"

// A hub among others: fibers that come from elsewhere, and those that any of them may take.

namespace weft {

void hub::enter_group(detail::hub_group& group, unsigned index) noexcept {
  place_ = index;
  group_ = &group;
}

void hub::take_in(detail::homeless_fiber& fiber) noexcept {
  // A hub that ends waits until it has no fibers: whoever goes on sending does not keep it.
  if (first_flags_ != 0) return detail::cancel_untaken(fiber);
  {
    const detail::state_guard held(fiber); // whoever cancels it does so before, or asks this hub
    fiber.runs_on.store(this, std::memory_order_release);
  }
  ++fibers_;
  ++taken_in_;
  visitors_.push_back(fiber);
  fiber.where = detail::phase::unstarted;
  if (group_ && group_->is_ending() && !fiber.of_cleanup) fiber.set(detail::cancel_requested);
  try {
    fiber.stack_class = class_of(fiber.asked_stack_class, fiber.light);
  } catch (const std::bad_alloc&) {
    return fail_to_start(fiber);
  }
  make_ready_last(fiber);
}

/// Queues one fiber of those that are shared, if there is one to be had without a search. One: as
/// long as it is not taken, it starts wherever there is time first.
bool hub::take_shared() noexcept {
  detail::homeless_fiber* const fiber = group_->take(place_);
  if (!fiber) return false;
  take_in(*fiber);
  return true;
}

/// Nobody is ready: looks for something to steal, and sleeps if there is nothing, until something
/// comes for this hub, or for any.
void hub::search_and_sleep(core::nanoseconds until, bool for_ever) noexcept {
  auto& idle = group_->idle();
  const auto has_work = [this] { return group_->has_work(); };
  idle.begin_search();
  while (true) {
    if (detail::homeless_fiber* const fiber = group_->steal(place_)) {
      idle.end_search(has_work, [this](unsigned called) { group_->unpark(called); });
      return take_in(*fiber);
    }
    turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    sleeping_.store(true, std::memory_order_seq_cst);
    const auto woke = idle.sleep(place_, has_work, [&] {
      if (!inbox_.empty()) return;
      sleeps_for_ever_.store(for_ever, std::memory_order_seq_cst);
      poll_descriptors(until);
      sleeps_for_ever_.store(false, std::memory_order_seq_cst);
    });
    sleeping_.store(false, std::memory_order_relaxed);
    if (woke == detail::hub_group::idle_hubs::state::running) return;
  }
}

/// Of the first member: whether another is, or may come to be, anything but asleep. If none is at
/// two looks, and none had a turn between them, then all were in between, and whatever is looked
/// at there (fibers to be taken, other threads) could not change through them.
bool hub::can_be_woken_by_group() const noexcept {
  const auto turns_of_all = [this] {
    std::optional<std::uint64_t> sum = 0;
    for (unsigned i = 1; i < group_->size(); ++i) {
      const hub& other = group_->hub_at(i);
      if (!other.sleeps_for_ever() || other.external_work.load(std::memory_order_acquire) != 0)
        return std::optional<std::uint64_t>();
      *sum += other.turns();
    }
    return sum;
  };
  const auto before = turns_of_all();
  if (!before || group_->has_work() || group_->idle().searching() != 0) return true;
  if (detail::other_threads_exist(group_->size() - 1)) return true;
  return turns_of_all() != before;
}

} // namespace weft
