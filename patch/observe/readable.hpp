// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace weft::patch {

/// Whether 8 bytes can be read there, by asking the kernel: stacks are walked that may be broken.
/// The page that was asked about last is remembered.
class readable_memory {
 public:
  [[nodiscard]] bool has(std::uint64_t address) noexcept;
  /// The word there; false if there is none.
  bool read(std::uint64_t address, std::uint64_t& word) noexcept;

 private:
  std::uint64_t known_page_ = 0;
};

} // namespace weft::patch
