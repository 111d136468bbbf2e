// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <ctime>

namespace conformance {

// The point in time `away` from now, on the given clock, as POSIX calls want it.
inline timespec deadline(clockid_t clock, std::chrono::nanoseconds away) {
  timespec now{};
  clock_gettime(clock, &now);
  const std::chrono::nanoseconds sum =
      std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec) + away;
  const auto whole = std::chrono::floor<std::chrono::seconds>(sum);
  timespec result{};
  result.tv_sec = static_cast<time_t>(whole.count());
  result.tv_nsec = static_cast<long>((sum - whole).count());
  return result;
}

} // namespace conformance
