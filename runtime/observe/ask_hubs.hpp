// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "runtime/sched/process.hpp"

namespace weft::detail {

/// Calls `ask(hub, i)` for the i-th of `hubs` on that hub's thread, as a callback: of the calling
/// thread's hub at once, of the others when their loops have their turn. Says which were asked
/// within `patience`; one that was not never will be. What `ask` throws on another thread is lost,
/// and counts as not asked.
std::vector<bool> ask_hubs(const std::vector<kept_hub>& hubs, std::chrono::milliseconds patience,
                           const std::function<void(hub&, std::size_t)>& ask);

} // namespace weft::detail
