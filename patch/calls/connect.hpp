// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/socket.h>

#include "patch/kernel/green.hpp"

/// The two calls on sockets that know no flag for not waiting. The flag that there is,
/// O_NONBLOCK, belongs to the open file and hence to other processes too: io_uring makes the calls
/// without it. Where that is forbidden, whoever has to wait in the kernel does.
namespace weft::patch {

/// connect on a blocking socket, parked until it is decided.
long connect_parked(green& g, int fd, const sockaddr* address, unsigned length) noexcept;

/// accept4 on a blocking socket, parked until somebody comes.
long accept_parked(green& g, int fd, sockaddr* address, unsigned* length, int flags) noexcept;

} // namespace weft::patch
