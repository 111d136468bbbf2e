// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

#include "patch/kernel/green.hpp"

/// /proc/self/task/TID/comm, by which glibc reads and changes the name of a thread other than
/// the caller: /proc knows no green thread.
namespace weft::patch {

/// The green thread whose name the file `path` is; null if it is another file.
[[nodiscard]] green* thread_named_by(const char* path) noexcept;

/// A descriptor from which g's name can be read, or -errno.
long open_name(const green& g, int flags) noexcept;

/// Makes what was written to `fd`, of fd_kind::name, its thread's name. The result of write.
long write_name(int fd, const char* text, std::size_t length) noexcept;

} // namespace weft::patch
