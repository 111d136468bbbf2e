// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/core/clock.hpp"

/// How a thread without a hub waits for one event.
namespace weft::detail {

/// Blocks the thread until `fired` is not 0 or the time comes; says which: true if fired.
bool wait_on_thread(const std::atomic<std::uint32_t>& fired, core::nanoseconds until) noexcept;
/// Sets it and wakes. The waiting thread, and with it `fired`, may be gone before this returns.
void wake_thread(std::atomic<std::uint32_t>& fired) noexcept;

} // namespace weft::detail
