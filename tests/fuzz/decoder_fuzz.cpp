// SPDX-License-Identifier: BSL-1.0
//
// What the patcher believes of machine code, against a full decode by Zydis and plain searches.
#include "patch/sites/decoder.hpp"
#include "patch/sites/object.hpp"
#include "patch/sites/plan.hpp"
#include "patch/sites/region.hpp"
#include "patch/sites/scan.hpp"

#include <Zydis/Zydis.h>

#include <memory>
#include <vector>

namespace {

using namespace weft::patch;
using bytes = std::span<const std::uint8_t>;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

/// An instruction with all that Zydis can tell of it.
struct full_decode {
  explicit full_decode(bytes code) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    good = ZYAN_SUCCESS(
        ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &instruction, operands));
  }
  [[nodiscard]] const std::uint8_t* target(const std::uint8_t* at) const {
    for (int i = 0; i < instruction.operand_count; ++i) {
      const ZydisDecodedOperand& o = operands[i];
      if (o.type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !o.imm.is_relative) continue;
      ZyanU64 absolute = 0;
      if (ZYAN_SUCCESS(
              ZydisCalcAbsoluteAddress(&instruction, &o, reinterpret_cast<ZyanU64>(at), &absolute)))
        return reinterpret_cast<const std::uint8_t*>(absolute);
    }
    return nullptr;
  }
  [[nodiscard]] const ZydisDecodedOperand* relative_memory() const {
    for (int i = 0; i < instruction.operand_count; ++i)
      if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
          (operands[i].mem.base == ZYDIS_REGISTER_RIP ||
           operands[i].mem.base == ZYDIS_REGISTER_EIP))
        return &operands[i];
    return nullptr;
  }
  bool good = false;
  ZydisDecodedInstruction instruction{};
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT]{};
};

void check_flow(bytes code, const full_decode& full) {
  instruction_flow slow;
  const bool known = decode_flow(code, slow);
  require(known == full.good);
  if (known) {
    require(slow.length == full.instruction.length);
    // A target that is out of reach of 16 bits (prefix 66) is as good as none.
    if (full.instruction.operand_width == 64) require(slow.target == full.target(code.data()));
    require(slow.landing_pad == (full.instruction.mnemonic == ZYDIS_MNEMONIC_ENDBR64));
  }
  instruction_flow quick;
  if (!quick_flow(code, quick)) return;
  require(known);
  require(quick.length == slow.length && quick.landing_pad == slow.landing_pad);
  require(quick.target == slow.target && quick.indirect_jump == slow.indirect_jump);
  require(quick.loads == slow.loads);
}

/// An instruction that is moved must mean the same elsewhere.
void check_movable(bytes code, const full_decode& full) {
  instruction found;
  const bool known = decode(code, found);
  require(known == full.good);
  if (!known) return;
  require(found.length == full.instruction.length);
  if (!found.movable) return;
  require(full.target(code.data()) == nullptr);
  const ZydisDecodedOperand* memory = full.relative_memory();
  require((found.displacement != 0) == (memory != nullptr));
  if (memory == nullptr) return;
  require(found.displacement + 4 <= found.length);
  std::int32_t displacement;
  __builtin_memcpy(&displacement, code.data() + found.displacement, sizeof displacement);
  require(displacement == memory->mem.disp.value);
  require(memory->mem.base == ZYDIS_REGISTER_RIP);
}

void check_number(bytes code, const full_decode& full) {
  const number_effect effect = effect_on_number(code);
  if (!full.good || effect.kind == number_effect::changes) return;
  for (int i = 0; i < full.instruction.operand_count; ++i) {
    const ZydisDecodedOperand& o = full.operands[i];
    const bool writes = o.type == ZYDIS_OPERAND_TYPE_REGISTER &&
                        (o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
                        ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, o.reg.value) ==
                            ZYDIS_REGISTER_RAX;
    if (effect.kind == number_effect::keeps) require(!writes);
  }
}

void check_searches(bytes code) {
  const std::uint8_t* end = code.data() + code.size();
  std::vector<const std::uint8_t*> calls, jumps;
  for (const std::uint8_t* p = code.data(); end - p >= 2; ++p) {
    if (p[0] == 0x0f && p[1] == 0x05) calls.push_back(p);
    if (p[0] == 0xe9 || (p[0] == 0x0f && (p[1] & 0xf0) == 0x80)) jumps.push_back(p);
  }
  std::vector<const std::uint8_t*> found;
  for (const std::uint8_t* p = code.data(); (p = find_syscall_bytes(p, end)) < end; ++p)
    found.push_back(p);
  require(found == calls);
  found.clear();
  const std::uint8_t* portion[24];
  for (const std::uint8_t* p = code.data(); p < end;) {
    std::size_t count = 0;
    p = collect_long_jumps(p, end, portion, count);
    found.insert(found.end(), portion, portion + count);
  }
  require(found == jumps);
}

/// Plans are made of whole instructions that may be moved, and nothing jumps among them.
void check_plans(bytes code) {
  static const auto region = std::make_unique<code_region>();
  object_view object;
  object.low = reinterpret_cast<std::uintptr_t>(code.data());
  object.high = object.low + code.size();
  auto* begin = const_cast<std::uint8_t*>(code.data());
  object.text[object.text_count++] = {begin, begin + code.size(), 0};
  const std::uint8_t* end = begin + code.size();
  region->decode(object, begin, end);
  for (const std::uint8_t* p = begin; p < region->decoded_end();) {
    require(region->is_boundary(p));
    const full_decode full({p, end});
    require(full.good);
    const std::uint8_t* target = full.target(p);
    if (full.instruction.operand_width == 64 && target >= begin && target < end)
      require(region->is_target(target));
    p += full.instruction.length;
  }
  for (const std::uint8_t* site = begin; (site = find_syscall_bytes(site, end)) < end; ++site) {
    if (!region->is_boundary(site)) continue;
    static_cast<void>(constant_number(*region, site));
    for (const auto mode : {patch_mode::early, patch_mode::blocked, patch_mode::running}) {
      site_plan plan;
      if (plan_site(*region, site, begin, mode, plan)) continue;
      require(plan.begin >= begin && plan.end <= end && plan.end - plan.begin >= 5);
      require(plan.site == site && plan.begin <= site && plan.end >= site);
      for (const std::uint8_t* p = plan.begin; p < plan.end;) {
        instruction each;
        require(region->is_boundary(p) && decode({p, end}, each));
        require(p == site || each.movable);
        if (p > plan.begin && p != site) require(!region->is_target(p));
        p += each.length;
        require(p <= plan.end);
      }
      if (mode == patch_mode::running) require(plan.end <= site);
      // But for a call that is made again and again, the `syscall` stays in its place.
      if (mode == patch_mode::blocked && plan.end > site)
        require(plan.end == site + 2 &&
                full_decode({plan.end, end}).target(plan.end) == plan.begin);
    }
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  // A copy of its own, so that reading beyond it is noticed.
  const std::vector<std::uint8_t> copy(data, data + size);
  const bytes all(copy);
  for (std::size_t at = 0; at < all.size(); ++at) {
    const bytes code = all.subspan(at);
    const full_decode full(code);
    check_flow(code, full);
    check_movable(code, full);
    check_number(code, full);
  }
  check_searches(all);
  check_plans(all);
  return 0;
}
