// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

/// Fast searches over machine code without knowing where instructions begin. What they find is a
/// candidate, not an instruction. Vector registers are used and lost (vector_state.hpp).
namespace weft::patch {

/// The first `syscall` (0F 05) in [p, end), or end.
[[nodiscard]] const std::uint8_t* find_syscall_bytes(const std::uint8_t* p,
                                                     const std::uint8_t* end) noexcept;

/// Puts into `out` where in [p, end) a jump with a 32-bit displacement may begin (E9, or
/// 0F 80 to 0F 8F), in order, and counts them in `found`. Returns where to go on when `out` is
/// nearly full, else end.
[[nodiscard]] const std::uint8_t* collect_long_jumps(const std::uint8_t* p, const std::uint8_t* end,
                                                     std::span<const std::uint8_t*> out,
                                                     std::size_t& found) noexcept;

} // namespace weft::patch
