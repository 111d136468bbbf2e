// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/worker.hpp"

/// The kernel keeps users and groups for each kernel thread, programs for the process: when those
/// change, all workers take them over, or end and are made anew.
namespace weft::patch {

struct credentials;

/// The process's credentials, those of `done`, have changed to `now`: the home takes them over;
/// others that are still in calls of the kernel's end when those do.
void have_workers_adopt(worker& done, const credentials& now) noexcept;

/// Has w, the caller, take over the process's credentials if they have changed since it had a
/// processor.
void follow_credentials(worker& w) noexcept;

/// Does what w, the caller, was told to by worker_order::adopt, and says that it has.
void adopt_by_order(worker& w) noexcept;

} // namespace weft::patch
