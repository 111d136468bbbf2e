// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/hub_group.hpp"

#include <algorithm>

#include "runtime/sched/hub.hpp"

namespace weft::detail {

namespace {
// So often a hub looks first at what had no place in a queue, that it is not overtaken for ever.
constexpr unsigned takes_between_overflow = 61;
} // namespace

hub_group::hub_group(unsigned hubs) : idle_(hubs) {
  members_.reserve(hubs);
  for (unsigned i = 0; i < hubs; ++i) {
    members_.push_back(std::make_unique<member>());
    members_.back()->next_victim = i + 1;
  }
}

void hub_group::share(unsigned index, homeless_fiber& fiber) noexcept {
  member& m = *members_[index];
  if (!m.shared.push(fiber)) [[unlikely]]
    overflow(m, fiber);
  idle_.work_added([this](unsigned called) { unpark(called); });
}

/// The queue is full: its older half makes room, before the new one.
void hub_group::overflow(member& m, homeless_fiber& fiber) noexcept {
  homeless_fiber* moved[queue::most_stolen];
  const std::size_t count = m.shared.steal(moved);
  {
    const std::lock_guard held(overflow_mutex_);
    for (std::size_t i = 0; i < count; ++i)
      overflow_.push_back(*moved[i]);
    overflowed_.store(overflowed_.load(std::memory_order_relaxed) + count,
                      std::memory_order_seq_cst);
  }
  m.shared.push(fiber); // nobody else puts anything in
}

homeless_fiber* hub_group::take(unsigned index) noexcept {
  member& m = *members_[index];
  if (++m.takes % takes_between_overflow == 0)
    if (homeless_fiber* fiber = take_overflowed(m)) return fiber;
  if (homeless_fiber* fiber = m.shared.pop()) return fiber;
  return take_overflowed(m);
}

/// Takes its share along, into the hub's own queue, as far as there is room.
homeless_fiber* hub_group::take_overflowed(member& m) noexcept {
  if (overflowed_.load(std::memory_order_relaxed) == 0) return nullptr;
  const std::lock_guard held(overflow_mutex_);
  std::size_t left = overflowed_.load(std::memory_order_relaxed);
  auto* const first = static_cast<homeless_fiber*>(overflow_.pop_front());
  if (!first) return nullptr;
  --left;
  std::size_t share = std::min(left / members_.size(), queue::most_stolen);
  while (share-- != 0) {
    auto* const fiber = static_cast<homeless_fiber*>(overflow_.pop_front());
    if (!m.shared.push(*fiber)) {
      overflow_.push_front(*fiber);
      break;
    }
    --left;
  }
  overflowed_.store(left, std::memory_order_seq_cst);
  return first;
}

homeless_fiber* hub_group::steal(unsigned index) noexcept {
  member& m = *members_[index];
  if (homeless_fiber* fiber = take(index)) return fiber;
  homeless_fiber* stolen[queue::most_stolen];
  for (unsigned i = 0; i < size(); ++i) {
    const unsigned victim = (m.next_victim + i) % size();
    if (victim == index) continue;
    const std::size_t count = members_[victim]->shared.steal(stolen);
    if (count == 0) continue;
    m.next_victim = victim; // where there was something there may be more
    for (std::size_t k = 1; k < count; ++k)
      m.shared.push(*stolen[k]); // it was empty
    return stolen[0];
  }
  return nullptr;
}

/// What had no place comes first: a hub that is no searcher moves it into its own queue, and nobody
/// looks once more after that. Looked at last, it might be gone from there, and not yet have been
/// where it is.
bool hub_group::has_work() const noexcept {
  if (overflowed_.load(std::memory_order_seq_cst) != 0) return true;
  return std::any_of(members_.begin(), members_.end(),
                     [](const auto& m) { return !m->shared.empty(); });
}

void hub_group::unpark(unsigned index) noexcept {
  members_[index]->of->interrupt_sleep();
}

void hub_group::lose_all() noexcept {
  for (const auto& m : members_)
    while (homeless_fiber* fiber = m->shared.pop())
      lose(*fiber);
  ::new (static_cast<void*>(&overflow_mutex_)) std::mutex;
  while (ready_item* item = overflow_.pop_front())
    lose(static_cast<homeless_fiber&>(*item));
  overflowed_.store(0, std::memory_order_relaxed);
}

} // namespace weft::detail
