// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace weft::patch {

/// Reads the encodings of .eh_frame, as the Linux Standard Base and DWARF describe them. What is
/// read was mapped by the loader; beyond `end` everything is zero.
class dwarf_reader {
 public:
  dwarf_reader(const std::uint8_t* at, const std::uint8_t* end) noexcept : at_(at), end_(end) {}

  [[nodiscard]] bool done() const noexcept { return at_ >= end_; }
  [[nodiscard]] const std::uint8_t* at() const noexcept { return at_; }
  [[nodiscard]] const std::uint8_t* end() const noexcept { return end_; }

  template <class T>
  T fixed() noexcept {
    T value{};
    if (end_ - at_ < static_cast<long>(sizeof value)) {
      at_ = end_;
      return value;
    }
    __builtin_memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  std::uint8_t byte() noexcept { return fixed<std::uint8_t>(); }

  std::uint64_t unsigned_number() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; at_ < end_; shift += 7) {
      const std::uint8_t next = *at_++;
      if (shift < 64) value |= std::uint64_t{next & 0x7fu} << shift;
      if (!(next & 0x80)) break;
    }
    return value;
  }

  std::int64_t signed_number() noexcept {
    std::uint64_t value = 0;
    unsigned shift = 0;
    while (at_ < end_) {
      const std::uint8_t next = *at_++;
      if (shift < 64) value |= std::uint64_t{next & 0x7fu} << shift;
      shift += 7;
      if (next & 0x80) continue;
      if (shift < 64 && (next & 0x40)) value |= ~std::uint64_t{0} << shift;
      break;
    }
    return static_cast<std::int64_t>(value);
  }

  /// A pointer in one of the encodings DW_EH_PE_*; 0 for one that no linker uses here.
  std::uint64_t pointer(std::uint8_t encoding) noexcept {
    constexpr std::uint8_t omitted = 0xff, pc_relative = 0x10;
    if (encoding == omitted) return 0;
    const auto base = encoding & pc_relative ? reinterpret_cast<std::uint64_t>(at_) : 0;
    switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c:
      return base + fixed<std::uint64_t>();
    case 0x01:
      return base + unsigned_number();
    case 0x02:
      return base + fixed<std::uint16_t>();
    case 0x03:
      return base + fixed<std::uint32_t>();
    case 0x09:
      return base + static_cast<std::uint64_t>(signed_number());
    case 0x0a:
      return base + static_cast<std::uint64_t>(fixed<std::int16_t>());
    case 0x0b:
      return base + static_cast<std::uint64_t>(fixed<std::int32_t>());
    default:
      return 0;
    }
  }

  /// The next `length` bytes, skipped here.
  dwarf_reader part(std::uint64_t length) noexcept {
    const std::uint8_t* begin = at_;
    at_ = length > static_cast<std::uint64_t>(end_ - at_) ? end_ : at_ + length;
    return {begin, at_};
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

} // namespace weft::patch
