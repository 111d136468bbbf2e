// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/decoder.hpp"

#include <Zydis/Zydis.h>

namespace weft::patch {
namespace {

ZydisDecoder make_decoder() noexcept {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  return decoder;
}

bool is_rip_relative(const ZydisDecodedInstruction& i) noexcept {
  return (i.attributes & ZYDIS_ATTRIB_HAS_MODRM) && i.raw.modrm.mod == 0 && i.raw.modrm.rm == 5;
}

bool read(std::span<const std::uint8_t> code, ZydisDecodedInstruction& out) noexcept {
  const ZydisDecoder decoder = make_decoder();
  return ZYAN_SUCCESS(
      ZydisDecoderDecodeInstruction(&decoder, nullptr, code.data(), code.size(), &out));
}

/// rax in one of its widths.
bool is_rax(ZydisRegister reg) noexcept {
  return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg) == ZYDIS_REGISTER_RAX;
}

} // namespace

bool decode_flow(std::span<const std::uint8_t> code, instruction_flow& out) noexcept {
  ZydisDecodedInstruction i;
  if (!read(code, i)) return false;
  out = {};
  out.length = i.length;
  out.landing_pad = i.mnemonic == ZYDIS_MNEMONIC_ENDBR64;
  // Through a pointer at a fixed place it is a call of another function, not a switch.
  out.indirect_jump =
      i.mnemonic == ZYDIS_MNEMONIC_JMP && !i.raw.imm[0].is_relative && !is_rip_relative(i);
  const std::uint8_t* next = code.data() + i.length;
  if (i.raw.imm[0].is_relative) out.target = next + i.raw.imm[0].value.s;
  if (out.indirect_jump && i.raw.modrm.mod == 0 && i.raw.modrm.rm == 4 && i.raw.sib.base == 5)
    out.loads = reinterpret_cast<const std::uint8_t*>(i.raw.disp.value);
  if (i.mnemonic == ZYDIS_MNEMONIC_LEA && is_rip_relative(i)) out.loads = next + i.raw.disp.value;
  return true;
}

bool decode(std::span<const std::uint8_t> code, instruction& out) noexcept {
  ZydisDecodedInstruction i;
  if (!read(code, i)) return false;
  out = {};
  out.length = i.length;
  switch (i.mnemonic) {
  case ZYDIS_MNEMONIC_JMP:
  case ZYDIS_MNEMONIC_RET:
  case ZYDIS_MNEMONIC_UD0:
  case ZYDIS_MNEMONIC_UD1:
  case ZYDIS_MNEMONIC_UD2:
  case ZYDIS_MNEMONIC_HLT:
  case ZYDIS_MNEMONIC_INT3:
    out.ends_flow = true;
    return true;
  case ZYDIS_MNEMONIC_ENDBR64:
    return true;
  default:
    break;
  }
  switch (i.meta.category) {
  case ZYDIS_CATEGORY_CALL:
  case ZYDIS_CATEGORY_RET:
  case ZYDIS_CATEGORY_UNCOND_BR:
  case ZYDIS_CATEGORY_COND_BR:
  case ZYDIS_CATEGORY_INTERRUPT:
  case ZYDIS_CATEGORY_SYSCALL:
  case ZYDIS_CATEGORY_SYSRET:
  case ZYDIS_CATEGORY_SYSTEM:
  case ZYDIS_CATEGORY_IO:
    return true;
  default:
    break;
  }
  if (i.raw.imm[0].is_relative) return true;
  if (is_rip_relative(i)) {
    // A 32-bit address (prefix 67) would wrap elsewhere.
    if (i.address_width != 64 || i.raw.disp.size != 32) return true;
    out.displacement = i.raw.disp.offset;
  }
  out.movable = true;
  return true;
}

number_effect effect_on_number(std::span<const std::uint8_t> code) noexcept {
  const ZydisDecoder decoder = make_decoder();
  ZydisDecodedInstruction i;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &i, operands)))
    return {};
  if (i.meta.category == ZYDIS_CATEGORY_CALL || i.mnemonic == ZYDIS_MNEMONIC_SYSCALL) return {};

  number_effect effect{number_effect::keeps, 0};
  for (const auto& operand : std::span(operands, i.operand_count))
    if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && is_rax(operand.reg.value) &&
        (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
      effect.kind = number_effect::changes;
  if (effect.kind == number_effect::keeps || i.operand_count < 2) return effect;

  const auto& to = operands[0];
  const auto& from = operands[1];
  const bool whole_register = to.type == ZYDIS_OPERAND_TYPE_REGISTER && to.size >= 32;
  if (whole_register && i.mnemonic == ZYDIS_MNEMONIC_MOV &&
      from.type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
    return {number_effect::sets_constant, static_cast<int>(from.imm.value.s)};
  if (whole_register && i.mnemonic == ZYDIS_MNEMONIC_XOR &&
      from.type == ZYDIS_OPERAND_TYPE_REGISTER && from.reg.value == to.reg.value)
    return {number_effect::sets_constant, 0};
  return effect;
}

} // namespace weft::patch
