// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <string>

#include "weft/deadline.hpp"

// How the parts of the library that throw report what the POSIX calls return.
namespace weft::io {

/// Throws std::system_error: "weft: read(7): Connection reset by peer".
[[noreturn]] void throw_failure(const char* call, int fd, int error);
/// The same of what has no descriptor, or more to tell: "weft: WHAT: ...".
[[noreturn]] void throw_failure(const std::string& what, int error);

/// The same point in time for several calls: a span would begin anew at each.
[[nodiscard]] inline deadline fixed(const deadline& until) noexcept {
  return until.is_never() ? until
                          : deadline(std::chrono::steady_clock::time_point(
                                std::chrono::nanoseconds(until.absolute())));
}
/// Whether a point in time is past.
[[nodiscard]] bool has_come(const deadline& until) noexcept;

/// Whether O_NONBLOCK is set.
[[nodiscard]] bool is_non_blocking(int fd) noexcept;

/// Parks until one of poll's `events`, an error or a hang-up is there. Throws std::system_error,
/// also when `until` comes first; `call` is who waits.
void wait_until_ready(const char* call, int fd, short events, const deadline& until);

} // namespace weft::io
