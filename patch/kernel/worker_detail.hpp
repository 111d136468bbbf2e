// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/spin_lock.hpp"
#include "patch/kernel/worker.hpp"
#include "runtime/core/list.hpp"

/// What the workers' files share among themselves: worker.cpp makes, wakes and ends them,
/// worker_credentials.cpp has them follow the process's credentials.
namespace weft::patch {

struct worker_lists {
  /// Guards what the monitor and the workers, with or without the processor, share: held for a few
  /// instructions, with signals blocked or inside weft.
  spin_lock lock;
  core::list<worker, spare_tag> spares;
  /// All but the first.
  core::list<worker, known_tag> known;
  /// Records of workers that have ended, with their stacks: kernel threads come and go together.
  core::list<worker, spare_tag> ended;
};

extern worker_lists the_workers;

/// Tells w, which sleeps, or whoever waits for w to have done what it was told.
void give_order(worker& w, worker_order what) noexcept;

} // namespace weft::patch
