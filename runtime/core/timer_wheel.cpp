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
// (A slot that `bring_down` has just filled may be the present one, but is then the next.)

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

/// Moves what is in the slot that begins at the present to the level below: also what belongs still
/// further down, for it is now alone with the rest of its slot and the first to be looked at.
///
/// Of a million sleepers each timer is in a cold page of its own, which is known from its neighbour
/// only. So they are taken from both ends: two pages come at a time.
void timer_wheel::bring_down(int level, list<timer, timer_tag>& members) noexcept {
  const int below = level - 1;
  const auto slot_of = [below](const timer& t) {
    return static_cast<int>((due_tick(t.deadline) >> (below * slot_bits)) & (slots - 1));
  };
  std::uint64_t filled = 0;
  std::uint64_t from_end = 0; // where some were put in front of those that come before them
  timer* last[slots];         // the last of these
  while (true) {
    timer& first = members.pop_front();
    const int slot = slot_of(first);
    slots_[below][slot].push_back(first);
    filled |= std::uint64_t{1} << slot;
    if (members.empty()) break;
    timer& final = members.pop_back();
    const int other = slot_of(final);
    const std::uint64_t bit = std::uint64_t{1} << other;
    slots_[below][other].push_front(final);
    if ((from_end & bit) == 0) last[other] = &final;
    from_end |= bit;
    if (members.empty()) break;
  }
  for (std::uint64_t left = from_end; left != 0; left &= left - 1) {
    const int slot = std::countr_zero(left);
    slots_[below][slot].rotate_behind(*last[slot]);
  }
  occupied_[below] |= filled | from_end;
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
      bring_down(level, members);
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
