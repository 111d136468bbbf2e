// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/scan.hpp"

namespace weft::patch {
namespace {

constexpr std::uint64_t each_byte(std::uint8_t value) noexcept {
  return 0x0101010101010101u * value;
}

std::uint64_t load(const std::uint8_t* p) noexcept {
  std::uint64_t value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}

/// The top bit of each byte that is zero in `x`. Bytes above the first zero may be marked wrongly;
/// only the first mark is used.
constexpr std::uint64_t zero_bytes(std::uint64_t x) noexcept {
  return (x - each_byte(0x01)) & ~x & each_byte(0x80);
}

constexpr int first_marked(std::uint64_t marks) noexcept { return __builtin_ctzll(marks) / 8; }

}  // namespace

const std::uint8_t* find_syscall_bytes(const std::uint8_t* p, const std::uint8_t* end) noexcept {
  for (; end - p >= 9; p += 8) {
    const auto marks =
        zero_bytes((load(p) ^ each_byte(0x0f)) | (load(p + 1) ^ each_byte(0x05)));
    if (marks) return p + first_marked(marks);
  }
  for (; end - p >= 2; ++p)
    if (p[0] == 0x0f && p[1] == 0x05) return p;
  return end;
}

const std::uint8_t* find_long_branch(const std::uint8_t* p, const std::uint8_t* end) noexcept {
  for (; end - p >= 9; p += 8) {
    const std::uint64_t word = load(p);
    const auto near = zero_bytes(word ^ each_byte(0xe9));
    const auto conditional = zero_bytes((word ^ each_byte(0x0f)) |
                                        ((load(p + 1) & each_byte(0xf0)) ^ each_byte(0x80)));
    if (near | conditional) {
      // Each set of marks is right up to its own first one.
      const int a = near ? first_marked(near) : 8;
      const int b = conditional ? first_marked(conditional) : 8;
      return p + (a < b ? a : b);
    }
  }
  for (; end - p >= 2; ++p)
    if (p[0] == 0xe9 || (p[0] == 0x0f && (p[1] & 0xf0) == 0x80)) return p;
  return end;
}

}  // namespace weft::patch
