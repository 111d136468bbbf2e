// SPDX-License-Identifier: BSL-1.0
#pragma once

/// The few descriptors that weft itself holds in the program's process: kept at the high
/// end of what RLIMIT_NOFILE allows, close-on-exec, and out of reach of the program's close.
namespace weft::patch {

/// Moves `fd` up and remembers it. Returns the new number; `fd` itself where there is no room.
int move_out_of_sight(long fd) noexcept;

/// Whether `fd` is one of weft's.
[[nodiscard]] bool is_own_descriptor(int fd) noexcept;

/// Closes one of weft's.
void close_own(int fd) noexcept;

/// The lowest of weft's in [first, last], or -1: close_range goes round them.
[[nodiscard]] int next_own_descriptor(unsigned first, unsigned last) noexcept;

} // namespace weft::patch
