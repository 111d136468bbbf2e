// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/green.hpp"
#include "patch/kernel/transfer_ring.hpp"
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

/// The same for one who would then make `to_make`: as soon as `fd` is ready that is done. Also
/// `ready` if it was, however the wait ended; else it is not made any more.
io_wait wait_until_made(green& g, int fd, transfer& to_make, core::nanoseconds deadline,
                        park_reason reason) noexcept;

/// Has a transfer of g's, the caller, made with others'; returns when it is done.
void make_with_others(green& g, transfer& t) noexcept;

} // namespace weft::patch
