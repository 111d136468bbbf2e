// SPDX-License-Identifier: BSL-1.0
//
// Zydis takes some 75 ns an instruction, and a start-up would spend most of its time there. Only
// lengths and branches are needed, which a table tells for common instructions; for the others this
// file declines. The tests compare it with Zydis on whole libraries.

#include <array>

#include "patch/sites/decoder.hpp"

namespace weft::patch {
namespace {

/// What follows an opcode.
enum : std::uint8_t {
  unknown = 0,
  known = 1,
  modrm = 2,
  imm8 = 4,
  immz = 8, // 32 bits; 16 with prefix 66
  rel8 = 16,
  rel32 = 32,
  special = 64, // depends on more than the opcode
};

using opcode_map = std::array<std::uint8_t, 256>;

constexpr void set(opcode_map& map, int first, int last, int what) {
  for (int i = first; i <= last; ++i)
    map[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(known | what);
}

constexpr opcode_map one_byte_opcodes() {
  opcode_map m{};
  for (int alu = 0; alu < 0x40; alu += 8) {
    set(m, alu, alu + 3, modrm);
    set(m, alu + 4, alu + 4, imm8);
    set(m, alu + 5, alu + 5, immz);
  }
  set(m, 0x50, 0x5f, 0);
  set(m, 0x63, 0x63, modrm);
  set(m, 0x68, 0x68, immz);
  set(m, 0x69, 0x69, modrm | immz);
  set(m, 0x6a, 0x6a, imm8);
  set(m, 0x6b, 0x6b, modrm | imm8);
  set(m, 0x70, 0x7f, rel8);
  set(m, 0x80, 0x80, modrm | imm8);
  set(m, 0x81, 0x81, modrm | immz);
  set(m, 0x83, 0x83, modrm | imm8);
  set(m, 0x84, 0x8b, modrm);
  set(m, 0x8d, 0x8d, modrm | special); // lea
  set(m, 0x90, 0x99, 0);
  set(m, 0x9c, 0x9f, 0);
  set(m, 0xa4, 0xa7, 0);
  set(m, 0xa8, 0xa8, imm8);
  set(m, 0xa9, 0xa9, immz);
  set(m, 0xaa, 0xaf, 0);
  set(m, 0xb0, 0xb7, imm8);
  set(m, 0xb8, 0xbf, immz | special); // mov, with a 64-bit immediate under REX.W
  set(m, 0xc0, 0xc1, modrm | imm8);
  set(m, 0xc3, 0xc3, 0);
  set(m, 0xc6, 0xc6, modrm | imm8 | special); // mov, xabort
  set(m, 0xc7, 0xc7, modrm | immz | special); // mov, xbegin
  set(m, 0xc9, 0xc9, 0);
  set(m, 0xcc, 0xcc, 0);
  set(m, 0xd0, 0xd3, modrm);
  set(m, 0xe8, 0xe9, rel32);
  set(m, 0xeb, 0xeb, rel8);
  set(m, 0xf6, 0xf7, modrm | special); // test has an immediate
  set(m, 0xff, 0xff, modrm | special); // inc, dec, call, jmp, push
  return m;
}

constexpr opcode_map two_byte_opcodes() {
  opcode_map m{};
  set(m, 0x05, 0x05, 0);
  set(m, 0x0b, 0x0b, 0);
  set(m, 0x10, 0x11, modrm);
  set(m, 0x18, 0x18, modrm);
  set(m, 0x1e, 0x1e, modrm | special); // nop, endbr64
  set(m, 0x1f, 0x1f, modrm);
  set(m, 0x28, 0x29, modrm);
  set(m, 0x31, 0x31, 0);
  set(m, 0x40, 0x4f, modrm);
  set(m, 0x6e, 0x6f, modrm);
  set(m, 0x70, 0x70, modrm | imm8);
  set(m, 0x7e, 0x7f, modrm);
  set(m, 0x80, 0x8f, rel32);
  set(m, 0x90, 0x9f, modrm);
  set(m, 0xa2, 0xa2, 0);
  set(m, 0xa3, 0xa3, modrm);
  set(m, 0xab, 0xab, modrm);
  set(m, 0xaf, 0xb1, modrm);
  set(m, 0xb3, 0xb3, modrm);
  set(m, 0xb6, 0xb7, modrm);
  set(m, 0xba, 0xba, modrm | imm8 | special);
  set(m, 0xbb, 0xbf, modrm);
  set(m, 0xc0, 0xc1, modrm);
  set(m, 0xc8, 0xcf, 0);
  set(m, 0xef, 0xef, modrm);
  return m;
}

constexpr opcode_map one_byte = one_byte_opcodes();
constexpr opcode_map two_byte = two_byte_opcodes();

constexpr int longest = 15;

struct operand_size {
  bool narrow = false; // prefix 66
  bool wide = false;   // REX.W
};

/// The bytes of ModRM, SIB and displacement.
int address_length(const std::uint8_t* p) noexcept {
  const int mod = p[0] >> 6, rm = p[0] & 7;
  if (mod == 3) return 1;
  const bool has_sib = rm == 4;
  const bool no_base = mod == 0 && (has_sib ? (p[1] & 7) == 5 : rm == 5);
  const int displacement = mod == 1 ? 1 : mod == 2 || no_base ? 4 : 0;
  return 1 + has_sib + displacement;
}

/// Whether the instruction may have the prefix `lock`: what changes memory, and says so here. `p`
/// is at its ModRM byte.
bool lockable(bool two, std::uint8_t opcode, const std::uint8_t* p) noexcept {
  const int mod = p[0] >> 6, field = p[0] >> 3 & 7;
  if (mod == 3) return false;
  if (two) return opcode == 0xb0 || opcode == 0xb1 || opcode == 0xc0 || opcode == 0xc1;
  if (opcode == 0x80 || opcode == 0x81 || opcode == 0x83) return field != 7;
  if (opcode == 0xff) return field < 2;
  return opcode < 0x38 && (opcode & 7) < 2;
}

/// Whether a vector instruction exists with a repeat prefix, which is part of its opcode.
bool repeatable(std::uint8_t opcode, bool f3, bool f2) noexcept {
  switch (opcode) {
  case 0x28:
  case 0x29:
  case 0x6e:
  case 0xef:
    return !f3 && !f2;
  case 0x6f:
  case 0x7e:
  case 0x7f:
    return !f2;
  default:
    return true;
  }
}

template <class T>
std::int64_t load(const std::uint8_t* p) noexcept {
  T value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}

const std::uint8_t* absolute(std::int64_t address) noexcept {
  return reinterpret_cast<const std::uint8_t*>(address);
}

} // namespace

bool quick_flow(std::span<const std::uint8_t> code, instruction_flow& out) noexcept {
  if (code.size() < longest) return false;
  const std::uint8_t* const begin = code.data();
  const std::uint8_t* p = begin;
  operand_size size;
  bool repeat = false, repeat_unequal = false, prefixed = false, locked = false;
  for (;; ++p) {
    if (*p == 0x66)
      size.narrow = prefixed = true;
    else if (*p == 0xf3)
      repeat = prefixed = true;
    else if (*p == 0xf0)
      locked = prefixed = true;
    else if (*p == 0xf2)
      repeat_unequal = prefixed = true;
    else if (*p == 0x2e || *p == 0x3e || *p == 0x64)
      prefixed = true;
    else
      break;
    if (p - begin == 4) return false;
  }
  if (repeat && repeat_unequal) return false; // which of them counts is the decoder's to know
  if ((*p & 0xf0) == 0x40) {
    size.wide = *p & 8;
    ++p;
  }
  const bool two = *p == 0x0f;
  if (two) ++p;
  const std::uint8_t opcode = *p++;
  std::uint8_t what = (two ? two_byte : one_byte)[opcode];
  if (what == unknown || (locked && !lockable(two, opcode, p))) return false;

  if (two && !repeatable(opcode, repeat, repeat_unequal)) return false;
  out = {};
  const std::uint8_t* const address = p;
  if (what & special) {
    const int field = *p >> 3 & 7;
    const bool rip_relative = (*p & 0xc7) == 0x05;
    if (two && opcode == 0x1e) {
      out.landing_pad = repeat && *p == 0xfa;
      if (repeat && !out.landing_pad) return false;
    } else if (two) { // bt, bts, btr, btc
      if (field < 4) return false;
    } else if (opcode == 0xf6 || opcode == 0xf7) {
      if (field < 2) what |= opcode == 0xf6 ? imm8 : immz;
    } else if (opcode == 0xff) {
      if (field == 3 || field == 5 || field == 7) return false;
      out.indirect_jump = field == 4 && !rip_relative;
      const bool absolute_table = (*p & 0xc7) == 0x04 && (p[1] & 7) == 5;
      if (out.indirect_jump && absolute_table) out.loads = absolute(load<std::int32_t>(p + 2));
    } else if (opcode == 0xc6 || opcode == 0xc7) {
      if (field != 0) return false;
    } else if (opcode == 0x8d) {
      if (*p >> 6 == 3) return false;
      if (rip_relative) out.loads = p + 5 + load<std::int32_t>(p + 1);
    } else if (size.wide) { // mov
      out.length = static_cast<std::uint8_t>(p + 8 - begin);
      return true;
    }
  }
  if (what & modrm) p += address_length(address);
  if (what & imm8) p += 1;
  if (what & immz) p += size.narrow && !size.wide ? 2 : 4;
  if (what & (rel8 | rel32)) {
    if (prefixed || size.wide) return false;
    const int width = what & rel8 ? 1 : 4;
    out.target = p + width + (what & rel8 ? load<std::int8_t>(p) : load<std::int32_t>(p));
    p += width;
  }
  out.length = static_cast<std::uint8_t>(p - begin);
  return true;
}

} // namespace weft::patch
