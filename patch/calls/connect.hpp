// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/socket.h>

#include "patch/kernel/green.hpp"

namespace weft::patch {

/// connect on a blocking socket, parked until it is decided.
long connect_parked(green& g, int fd, const sockaddr* address, unsigned length) noexcept;

} // namespace weft::patch
