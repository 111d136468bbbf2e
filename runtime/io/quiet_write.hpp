// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>

#include "weft/deadline.hpp"

namespace weft::io {

/// io::write of what is no socket, without SIGPIPE: a pipe that nobody reads any more gives EPIPE.
/// May write less than all, but something. `until` is a point in time.
ssize_t write_quietly(int fd, std::span<const std::byte> data, const deadline& until);

} // namespace weft::io
