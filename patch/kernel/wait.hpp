// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/green.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/reactor.hpp"

namespace weft::patch {

/// Whether the reactor's `failed` means that it is short of descriptors or memory. Then the
/// waiter looks again from time to time: to wait in the kernel would stop all threads, and
/// with them whoever may make room.
[[nodiscard]] bool is_shortage(int failed) noexcept;
inline constexpr core::nanoseconds shortage_pause = 1'000'000;

enum class io_wait {
  ready, // try again
  timeout,
  signal,
  closed,       // the descriptor went away meanwhile
  not_waitable, // a regular file, or not open: the call itself will tell
};

/// Parks g, the caller, until one of `wanted` may hold for `fd`; with `only_new` until something
/// more comes than is there already.
io_wait wait_for_io(green& g, int fd, core::io_events wanted, core::nanoseconds deadline,
                    park_reason reason, bool only_new = false) noexcept;

} // namespace weft::patch
