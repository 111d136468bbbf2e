// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <span>

namespace weft::patch {

/// Where functions begin and end, by the sorted table of .eh_frame_hdr: the one thing that tells
/// instruction boundaries in a stripped object.
class frame_table {
 public:
  /// A table that the linker did not write in the usual form (sorted, 32-bit, relative to itself)
  /// counts as none.
  explicit frame_table(std::span<const std::uint8_t> header) noexcept;

  struct range {
    const std::uint8_t* begin = nullptr; // of the last function at or before the address
    const std::uint8_t* end = nullptr;   // its end, which may lie before the address
    const std::uint8_t* next = nullptr;  // begin of the function that follows; null: the last one
  };

  /// A range without begin: no function begins at or before `address`.
  [[nodiscard]] range find(const std::uint8_t* address) const noexcept;

  /// From the first function to the end of the last; empty without a table.
  [[nodiscard]] std::span<const std::uint8_t> extent() const noexcept;

 private:
  struct entry {
    std::int32_t function, frame; // relative to the header
  };
  [[nodiscard]] const std::uint8_t* end_of(const entry&) const noexcept;

  const std::uint8_t* header_ = nullptr;
  std::span<const entry> entries_;
};

} // namespace weft::patch
