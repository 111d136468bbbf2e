// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/uio.h>

#include <cerrno>
#include <cstddef>

#include "runtime/io/operation.hpp"

/// Transfers that never block and leave O_NONBLOCK alone, each by what the kind of file allows:
/// MSG_DONTWAIT for sockets; RWF_NOWAIT where the kernel knows it; for the rest (FIFOs, terminals,
/// signalfd, ...) poll(2) first and then a transfer so small that it cannot block. The kind is
/// found by trying and remembered. Results are negative errno values.
namespace weft::io {

ssize_t attempt_read(operation& op, const iovec* parts, int count) noexcept;
ssize_t attempt_write(operation& op, const iovec* parts, int count) noexcept;

/// -errno if `result` is negative.
inline ssize_t kernel_result(ssize_t result) noexcept {
  return result < 0 ? -errno : result;
}

/// SOCK_STREAM and so on; 0 of what is no socket.
[[nodiscard]] int socket_type(int fd) noexcept;

/// Whether one of `events` is there now. Errors and hang-ups count: the call will report them.
[[nodiscard]] bool ready_now(int fd, core::io_events events) noexcept;

} // namespace weft::io
