// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <time.h>

namespace tokens {

/// Seconds of the monotonic clock.
inline double now() noexcept {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) / 1e9;
}

} // namespace tokens
