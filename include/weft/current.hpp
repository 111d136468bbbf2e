// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <vector>

#include <weft/task.hpp>

namespace [[gnu::visibility("default")]] weft {

/// A handle of the fiber that calls: a spawned one, or the thread's own where the thread has a
/// hub. Empty (`!valid()`) on a thread without a hub and inside a callback. The thread's own
/// fiber cannot be cancelled: `cancel()` returns false. Model: gevent.getcurrent,
/// asyncio.current_task.
[[nodiscard]] any_task current();

/// Every fiber of this thread's hub that is not at its end, those included that have not started;
/// the thread's own left out, and so are those of `spawn_any` that no hub has taken yet. Oldest
/// first. Model: asyncio.all_tasks.
[[nodiscard]] std::vector<any_task> all_tasks();

} // namespace weft
