// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <time.h>

#include "runtime/core/clock.hpp"
#include "runtime/core/list.hpp"
#include "runtime/core/reactor.hpp"

namespace weft::patch {

struct green;

/// A point on `clock` as a deadline, as that clock stands now.
[[nodiscard]] core::nanoseconds deadline_on(clockid_t clock, core::nanoseconds point) noexcept;

/// When a call's wait ends. A point on a clock that can be set stays that point: when somebody sets
/// the clock, the deadline moves, and so does the park of the thread that was given it. Lives on
/// the stack of that thread, for as long as it is in the call.
class clock_deadline : core::list_hook<> {
 public:
  /// A deadline of ours, `never`, or what is wrong with it: -errno.
  clock_deadline(core::nanoseconds fixed) noexcept : when_(fixed) {}
  /// A point on `clock`, for g, the caller.
  clock_deadline(green& g, clockid_t clock, core::nanoseconds point) noexcept;
  ~clock_deadline() {
    if (linked()) unlink();
  }

  [[nodiscard]] core::nanoseconds when() const noexcept { return when_; }

 private:
  friend class settable_clocks;
  template <class, class>
  friend class core::list;

  void move() noexcept;

  core::nanoseconds when_;
  green* thread_ = nullptr;
  clockid_t clock_ = CLOCK_MONOTONIC;
  core::nanoseconds point_ = 0;
};

/// Hears of it when somebody sets CLOCK_REALTIME, or when the system wakes up from suspension and
/// all clocks but CLOCK_MONOTONIC have gone on: by a timer of the kernel's that is cancelled then,
/// made for the first such deadline. Where it cannot be made (no descriptor, no memory, a filter),
/// the deadlines stay as they were computed.
class settable_clocks {
 public:
  /// Whether anybody waits for a point on such a clock.
  [[nodiscard]] bool have_waiters() const noexcept { return !waiting_.empty(); }

  /// Whether they are to be looked at although threads are ready: some time after the last look.
  [[nodiscard]] bool look_is_due() noexcept;

  /// What the reactor tells when it sees the timer.
  void were_set() noexcept;

  /// From now on no such timer may be made.
  void refuse() noexcept { refused_ = true; }
  void reset_after_fork() noexcept;

  [[nodiscard]] int descriptor() const noexcept { return timer_; }

 private:
  friend class clock_deadline;
  void add(clock_deadline& d) noexcept;
  void open() noexcept;

  core::list<clock_deadline> waiting_;
  core::io_waiter told_; // without an owner: nobody waits for this one
  int timer_ = -1;
  core::nanoseconds next_look_ = 0;
  bool refused_ = false;
};

} // namespace weft::patch
