// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/uio.h>

#include <cstddef>

#include "runtime/core/sys.hpp"

namespace weft::core {

/// So many ranges at most: their list is on the stack of a fiber that makes room for another.
inline constexpr std::size_t most_advised_at_once = 32;

/// The same advice for `size` bytes at `first` and `count - 1` times a `step` further on, by one
/// call. False if it was not taken everywhere.
[[nodiscard]] inline bool advise_each(char* first, std::size_t count, std::size_t step,
                                      std::size_t size, int advice) noexcept {
  iovec ranges[most_advised_at_once];
  for (std::size_t i = 0; i < count; ++i)
    ranges[i] = {first + i * step, size};
  return sys::advise_all(ranges, count, advice) == static_cast<long>(count * size);
}

} // namespace weft::core
