// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <span>

/// What the patcher wants to know of machine code. `decode`, `decode_flow` and `effect_on_number`
/// stand on Zydis, which uses vector registers and libc's memset: not to be called while libc's
/// text cannot run, nor without saving vector registers where a program expects them to survive
/// (vector_state.hpp).
namespace weft::patch {

/// Where an instruction leads.
struct instruction_flow {
  std::uint8_t length = 0;
  bool landing_pad = false;             // endbr64: an indirect branch may come here
  bool indirect_jump = false;           // perhaps a switch's
  const std::uint8_t* target = nullptr; // of a relative branch or call
  const std::uint8_t* loads = nullptr;  // where it says a table may be: lea's address, jmp's base
};

/// Reads the instruction at the front of `code`; false if there is none.
[[nodiscard]] bool decode_flow(std::span<const std::uint8_t> code, instruction_flow& out) noexcept;

/// The same for the instructions that make up nearly all code, at a twentieth of the cost; false
/// where it does not know, which says nothing about the code.
[[nodiscard]] bool quick_flow(std::span<const std::uint8_t> code, instruction_flow& out) noexcept;

/// Whether and how an instruction can be executed elsewhere.
struct instruction {
  std::uint8_t length = 0;
  bool movable = false;          // means the same elsewhere, once its displacement is adjusted
  bool ends_flow = false;        // the next one is not reached from here: jmp, ret, ud2, ...
  std::uint8_t displacement = 0; // offset of the rip-relative 32-bit displacement; 0: none
};

[[nodiscard]] bool decode(std::span<const std::uint8_t> code, instruction& out) noexcept;

/// What an instruction does to the register that holds a system call's number.
struct number_effect {
  enum { keeps, sets_constant, changes } kind = changes;
  int value = 0;
};
[[nodiscard]] number_effect effect_on_number(std::span<const std::uint8_t> code) noexcept;

} // namespace weft::patch
