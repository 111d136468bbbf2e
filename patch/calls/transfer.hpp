// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/uio.h>

#include <cstddef>

#include "patch/kernel/green.hpp"

namespace weft::patch {

/// A blocking write, which goes on until all is written, or an error or a signal comes.
long write_all(green& g, int fd, const iovec* parts, std::size_t count) noexcept;

} // namespace weft::patch
