// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "weft/descriptor.hpp"

namespace weft::io {

/// A new socket, closed on exec, of which no hub has a record. `type` may have SOCK_NONBLOCK.
/// Throws std::system_error.
[[nodiscard]] descriptor new_socket(int family, int type);

/// Sets a socket option that is 1; what the socket does not know is ignored.
void switch_on(int fd, int level, int option) noexcept;

/// Changes O_NONBLOCK of an open file which nobody else has yet.
void set_non_blocking(int fd, bool on) noexcept;

} // namespace weft::io
