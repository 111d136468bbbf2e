// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/machine.hpp"

/// What the scheduler's files share among themselves: scheduler.cpp switches threads, work.cpp is
/// what a worker does in between, help.cpp spreads the threads over processors.
namespace weft::patch {

/// Threads that may run in a row before events are looked at: long enough to make the
/// poll (some 150 ns) cheap, short enough that a timer is not late by more than that many
/// turns.
inline constexpr unsigned turns_between_polls = 64;

/// Whether a look at events could make a thread ready, or transfers that wait. (A signal needs none
/// to be noticed.)
[[nodiscard]] inline bool events_may_come(const machine& m) noexcept {
  return awaits_events(m) || !m.timers.empty() || m.returned.load(std::memory_order_relaxed) ||
         !m.transfers.empty();
}

/// Runs g, which was ready, on w, the caller, from w's own context; returns when that is to go on.
void run(worker& w, green& g) noexcept;

/// Which queue g belongs into: that of the processor on which it ran last, for its caches' sake,
/// unless nobody runs threads there. For where there are several.
[[nodiscard]] processor& queue_for(green& g) noexcept;

/// Something was put into p's queue: whether somebody who sleeps should help.
void consider_help(processor& p) noexcept;

/// Wakes one.
void call_help() noexcept;

/// w, the caller, was called, and has found nothing to do.
void came_for_nothing(worker& w) noexcept;

/// Takes half of the longest queue over into p's, which is empty. False: there is nothing that
/// would have to wait where it is.
bool steal(processor& p) noexcept;

/// Whether who runs p's threads, and looks for events just now, and another worker only stand in
/// each other's way: they wait for the lock at each turn, and one would come to all threads soon.
/// Then p's are the other's now, and its worker had better sleep.
bool leave_to_another(processor& p) noexcept;

/// `from` leaves a worker that holds p, or has lost what it held (null), `to` goes on there: how
/// long threads run until they leave.
void note_turn(green& from, green& to, processor* p) noexcept;

/// Whether the thread on `w` is one that computes, rather than one that will soon wait.
[[nodiscard]] bool computes(const worker& w) noexcept;

} // namespace weft::patch
