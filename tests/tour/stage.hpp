// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <ostream>
#include <string>

namespace tour {

using clock = std::chrono::steady_clock;

/// What a program of the tour is given: where to print, and how long a second is.
struct stage {
  std::ostream& out;
  std::chrono::nanoseconds second = std::chrono::seconds(1);

  /// The time of day, as Python's strftime('%X') gives it.
  [[nodiscard]] std::string time() const;

  /// Such seconds since then, with one digit after the point.
  [[nodiscard]] std::string since(clock::time_point then) const;
};

} // namespace tour
