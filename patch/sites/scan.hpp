// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

/// Fast searches over machine code without knowing where instructions begin: eight bytes at a
/// time in general registers, some 5 GB/s. What they find is a candidate, not an instruction.
namespace weft::patch {

/// The first `syscall` (0F 05) in [p, end), or end.
[[nodiscard]] const std::uint8_t* find_syscall_bytes(const std::uint8_t* p,
                                                     const std::uint8_t* end) noexcept;

/// The first byte in [p, end) at which a jump with a 32-bit displacement could begin (E9, or
/// 0F 80 to 0F 8F), or end.
[[nodiscard]] const std::uint8_t* find_long_branch(const std::uint8_t* p,
                                                   const std::uint8_t* end) noexcept;

}  // namespace weft::patch
