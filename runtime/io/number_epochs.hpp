// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <mutex>

namespace weft {
class hub;
}

/// What all hubs share about descriptor numbers: each has an epoch, which `io::close` ends. A hub
/// notes the epoch in which it registered a number; when that is past, its record is of a file
/// that is gone. A close looks up here which hubs have to hear of it.
namespace weft::io {

/// Held while a descriptor is registered, and while it is closed: a hub registers either before
/// the epoch ends, and hears of it, or finds the number closed. One for many numbers.
[[nodiscard]] std::mutex& number_mutex(int fd) noexcept;

[[nodiscard]] std::uint32_t current_epoch(int fd) noexcept;

/// Notes that `h`, the calling thread's, registers `fd`; returns the epoch. Under the mutex.
std::uint32_t join_epoch(int fd, hub& h);

/// Begins a new epoch. Says whether hubs other than `mine` (may be null) registered the number
/// in the one that ends. Under the mutex.
bool end_epoch(int fd, const hub* mine) noexcept;

/// Has every hub but `mine` that ever registered something drop its record of `fd`, if that is
/// of a past epoch, and wake who waits on it with EBADF.
void tell_other_hubs(int fd, const hub* mine) noexcept;

} // namespace weft::io
