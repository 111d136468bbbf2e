// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/timer_wheel.hpp"

#include <bit>

namespace weft::core {
namespace {

// Rounded up, so that no timer fires early; the present is rounded down.
constexpr std::uint64_t due_tick(nanoseconds deadline) noexcept {
  if (deadline <= 0) return 0;
  return (static_cast<std::uint64_t>(deadline) + timer_wheel::tick - 1) >> timer_wheel::tick_shift;
}

constexpr std::uint64_t present_tick(nanoseconds now) noexcept {
  return static_cast<std::uint64_t>(now < 0 ? 0 : now) >> timer_wheel::tick_shift;
}

} // namespace

// A timer's level is that of the highest digit (base 64) in which its tick differs from the
// present one. Hence in every level but the lowest all members lie in later slots than the
// present, and all of a level come before all of the next: the first occupied slot of the
// first occupied level is always the next to look at, and no slot wraps around.

timer_wheel::timer_wheel(nanoseconds now) noexcept : elapsed_(present_tick(now)) {}

timer_wheel::position timer_wheel::position_of(nanoseconds deadline) const noexcept {
  static_assert(tick_shift + levels * slot_bits >= 63, "every deadline has its level");
  std::uint64_t due = due_tick(deadline);
  if (due < elapsed_) due = elapsed_;
  const int level = (63 - std::countl_zero((due ^ elapsed_) | (slots - 1))) / slot_bits;
  return {level, static_cast<int>((due >> (level * slot_bits)) & (slots - 1))};
}

int timer_wheel::lowest_occupied() const noexcept {
  int level = 0;
  while (level < levels && occupied_[level] == 0)
    ++level;
  return level;
}

std::uint64_t timer_wheel::start_of(int level, int slot) const noexcept {
  const int shift = level * slot_bits;
  const std::uint64_t above = elapsed_ >> (shift + slot_bits) << (shift + slot_bits);
  return above | static_cast<std::uint64_t>(slot) << shift;
}

void timer_wheel::place(timer& t) noexcept {
  const auto [level, slot] = position_of(t.deadline);
  slots_[level][slot].push_back(t);
  occupied_[level] |= std::uint64_t{1} << slot;
}

void timer_wheel::insert(timer& t) noexcept {
  place(t);
  t.in_wheel = true;
  ++count_;
}

bool timer_wheel::cancel(timer& t) noexcept {
  if (!t.linked()) return false;
  t.unlink();
  if (!t.in_wheel) return true;
  t.in_wheel = false;
  --count_;
  // Where it was put is where it would be put now: `advance` keeps the rule above.
  const auto [level, slot] = position_of(t.deadline);
  if (slots_[level][slot].empty()) occupied_[level] &= ~(std::uint64_t{1} << slot);
  return true;
}

nanoseconds timer_wheel::next_due() const noexcept {
  const int level = lowest_occupied();
  if (level == levels) return never;
  const std::uint64_t start = start_of(level, std::countr_zero(occupied_[level]));
  return static_cast<nanoseconds>(start << tick_shift);
}

void timer_wheel::advance(nanoseconds now, list<timer, timer_tag>& due) noexcept {
  const std::uint64_t target = present_tick(now);
  for (int level; (level = lowest_occupied()) != levels;) {
    const int slot = std::countr_zero(occupied_[level]);
    const std::uint64_t start = start_of(level, slot);
    if (start > target) break;
    if (start > elapsed_) elapsed_ = start;
    occupied_[level] &= ~(std::uint64_t{1} << slot);
    auto& members = slots_[level][slot];
    if (level == 0) {
      members.for_each([this](timer& t) {
        t.in_wheel = false;
        --count_;
      });
      due.append(members);
    } else {
      while (!members.empty())
        place(members.pop_front());
    }
  }
  if (target > elapsed_) elapsed_ = target;
}

void timer_wheel::reset(nanoseconds now) noexcept {
  for (int level = 0; level < levels; ++level) {
    occupied_[level] = 0;
    for (auto& members : slots_[level])
      members.reset();
  }
  count_ = 0;
  elapsed_ = present_tick(now);
}

} // namespace weft::core
