// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace weft::core {

inline constexpr std::size_t page_size = 4096;

[[nodiscard]] constexpr std::size_t round_up_to_pages(std::size_t size) noexcept {
  return (size + page_size - 1) & ~(page_size - 1);
}

} // namespace weft::core
