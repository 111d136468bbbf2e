// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/clock.hpp"

#include <time.h>

namespace weft::core {

nanoseconds monotonic_now() noexcept {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * nanoseconds{1'000'000'000} + now.tv_nsec;
}

} // namespace weft::core
