// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/observe/dwarf_reader.hpp"
#include "patch/observe/registers.hpp"

namespace weft::patch {

/// Where the caller's value of a register is.
struct register_rule {
  enum kind : std::uint8_t {
    same,
    undefined,
    at_offset, // in memory, from the canonical frame address (CFA)
    is_offset,
    in_register, // number `value`
    at_expression,
    is_expression,
  } how = same;
  std::int64_t value = 0; // offset, register, or address of the expression (see expression_at)
};

struct frame_rules {
  std::uint64_t cfa_register = stack_registers::rsp;
  std::int64_t cfa_offset = 0;
  std::int64_t cfa_expression = 0; // instead of both, unless 0
  register_rule registers[stack_registers::count];
};

/// A function's frame at one instruction.
struct frame_description : frame_rules {
  unsigned return_address = stack_registers::rip;
  bool signal = false; // the caller was interrupted, and did not call
};

/// An expression with its length before it, as it stands in .eh_frame.
[[nodiscard]] inline dwarf_reader expression_at(std::int64_t address) noexcept {
  constexpr std::uint64_t longest = 4096;
  const auto* at = reinterpret_cast<const std::uint8_t*>(address);
  dwarf_reader r(at, at + longest);
  return r.part(r.unsigned_number());
}

/// What .eh_frame says of the instruction at `pc`; false if nothing.
bool describe_frame(std::uint64_t pc, frame_description& out) noexcept;

} // namespace weft::patch
