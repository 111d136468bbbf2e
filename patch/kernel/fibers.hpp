// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <linux/sched.h>

#include "patch/kernel/green.hpp"
#include "runtime/core/list.hpp"
#include "runtime/core/patch_table.h"

/// Fibers with identity: green threads that a hub of libweft runs, inside a thread of its own.
///
/// Such a fiber is a green thread in all that concerns the program: TLS, tid, mask, robust list.
/// Who runs next is the hub's business: its `park` and `unpark` end here, and go on in libweft.
/// Hub and fibers are one flow of control, which has one thread pointer at a time: `enter` is all
/// that a switch between them means to us. While it runs, a fiber is a green thread like any other
/// also to the scheduler: it may be preempted, or lose its processor in the kernel, and goes on
/// by itself; meanwhile nobody enters another fiber of that hub.
namespace weft::patch {

/// A hub, as its thread made it known. Guarded, as all of the machine is, by being on a worker.
struct fiber_host : weft_fiber_host {
  core::list<green, woken_tag> woken_fibers;
  bool sleeps = false;  // its thread is parked in the hub's wait for events
  void* next = nullptr; // the fiber that the next clone makes
  green* made = nullptr;
  clone_args made_with{};
};

[[nodiscard]] fiber_host* make_host(green& g, const weft_fiber_hooks& hooks) noexcept;
void drop_host(fiber_host& host) noexcept;

/// Whether the next thread that g makes is to be a fiber.
[[nodiscard]] inline bool makes_fiber(const green& g) noexcept {
  return g.host && !g.fiber && g.host->next;
}
/// A new thread of `creator`'s is to be a fiber: gives it to its hub. False: it is none.
bool take_as_fiber(green& creator, green& made, const clone_args& args) noexcept;

/// Parks g, the caller, in its hub, until `unpark` or, if `refusable`, until the hub asks the call
/// to end: then g.refused is set and it looks as if a signal had come.
void park_fiber(green& g, bool refusable) noexcept;
void yield_fiber(green& g) noexcept;
/// g is to run again: its hub will see it.
void wake_fiber(green& g) noexcept;
/// Leaves g, a fiber that exits, for ever.
[[noreturn]] void leave_fiber(green& g) noexcept;

/// Whether this is the wait for events of g's own hub, which ends when a fiber is woken.
[[nodiscard]] inline bool polls_for_hub(const green& g) noexcept {
  return g.host && !g.fiber && g.host->polls;
}

/// In a fork's child, where g alone is left: if it is a fiber it is the hub's own thread now.
void keep_only_fiber(green& g) noexcept;

/// The table's functions.
void enter(green& to) noexcept;

} // namespace weft::patch
