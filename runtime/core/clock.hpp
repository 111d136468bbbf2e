// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace weft::core {

/// A point on CLOCK_MONOTONIC, or a span of time, in nanoseconds. All deadlines
/// below the public API are absolute and of this type.
using nanoseconds = std::int64_t;

/// The deadline that never comes.
inline constexpr nanoseconds never = INT64_MAX;

/// CLOCK_MONOTONIC now, through the vDSO. Async-signal-safe.
[[nodiscard]] nanoseconds monotonic_now() noexcept;

/// `now + span` without overflow: a span too long to add is `never`, a negative one is `now`.
[[nodiscard]] constexpr nanoseconds deadline_after(nanoseconds now, nanoseconds span) noexcept {
  if (span <= 0) return now;
  return span >= never - now ? never : now + span;
}

} // namespace weft::core
