// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/core/clock.hpp"
#include "runtime/core/list.hpp"

namespace weft::core {

struct timer_tag;

/// Something that is due at a time. Embedded in what waits; its owner takes it out
/// of the wheel before it dies.
struct timer : list_hook<timer_tag> {
  nanoseconds deadline = never;
  bool in_wheel = false; // the wheel's own: it is also linked while it is in a list of due ones
};

/// Hierarchical timing wheel: O(1) insert and cancel, no allocation.
///
/// Nine levels of 64 slots, enough for every deadline there is; a slot of the lowest level is
/// `tick` wide. A timer never fires early, and at most one tick late as far as the wheel is
/// concerned: a wheel that rounds keeps a million timers at the cost of one (a heap does not), and
/// 16 us is below what the kernel's own default slack (50 us) adds to a sleep. Not synchronised.
class timer_wheel {
 public:
  static constexpr int tick_shift = 14;
  static constexpr nanoseconds tick = nanoseconds{1} << tick_shift;

  /// `now` is the time at which the wheel starts; deadlines before it are due at once.
  explicit timer_wheel(nanoseconds now) noexcept;

  /// Puts in `t`, whose deadline is set, not `never`, and which is in no wheel.
  void insert(timer& t) noexcept;

  /// Takes out `t` if it is in; says whether it was. One that `advance` gave out is taken
  /// out of the list it was given into.
  bool cancel(timer& t) noexcept;

  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }

  /// A time at which `advance` should next be called: not later than the earliest
  /// deadline (rounded up to a tick), `never` when empty. It may be earlier, when
  /// a far timer has first to come down a level.
  [[nodiscard]] nanoseconds next_due() const noexcept;

  /// Takes out all that is due at `now`, earliest slot first, and appends it to `due`.
  void advance(nanoseconds now, list<timer, timer_tag>& due) noexcept;

  /// Forgets all timers without touching them; time starts again at `now`.
  void reset(nanoseconds now) noexcept;

 private:
  static constexpr int levels = 9;
  static constexpr int slot_bits = 6;
  static constexpr int slots = 1 << slot_bits;

  struct position {
    int level;
    int slot;
  };
  [[nodiscard]] position position_of(nanoseconds deadline) const noexcept;
  [[nodiscard]] int lowest_occupied() const noexcept;
  [[nodiscard]] std::uint64_t start_of(int level, int slot) const noexcept;
  void place(timer& t) noexcept;
  void bring_down(int level, list<timer, timer_tag>& members) noexcept;

  std::uint64_t elapsed_; // in ticks
  std::size_t count_ = 0;
  std::uint64_t occupied_[levels] = {};
  list<timer, timer_tag> slots_[levels][slots];
};

} // namespace weft::core
