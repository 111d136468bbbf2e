// SPDX-License-Identifier: BSL-1.0
#include "patch/observe/frame_description.hpp"

#include <dlfcn.h>

namespace weft::patch {
namespace {

/// A common information entry, and the entry of one function that refers to it.
struct frame_entry {
  std::uint64_t code_unit = 1;
  std::int64_t data_unit = 1;
  std::uint8_t encoding = 0;
  dwarf_reader common{nullptr, nullptr}; // instructions of all functions
  dwarf_reader own{nullptr, nullptr};    // of this one
  std::uint64_t begin = 0, end = 0;
};

bool read_common(const std::uint8_t* at, frame_entry& e, frame_description& out) noexcept {
  dwarf_reader head(at, at + 4);
  const auto length = head.fixed<std::uint32_t>();
  if (length == 0 || length == 0xffffffff) return false;
  dwarf_reader r(at + 4, at + 4 + length);
  r.fixed<std::uint32_t>();
  const std::uint8_t version = r.byte();
  if (version != 1 && version != 3) return false;
  const std::uint8_t* augmentation = r.at();
  while (!r.done() && r.byte() != 0) {
  }
  e.code_unit = r.unsigned_number();
  e.data_unit = r.signed_number();
  out.return_address = static_cast<unsigned>(version == 1 ? r.byte() : r.unsigned_number());
  if (out.return_address >= stack_registers::count) return false;
  if (*augmentation == 0) {
    e.common = r;
    return true;
  }
  if (*augmentation++ != 'z') return false;
  dwarf_reader data = r.part(r.unsigned_number());
  for (; *augmentation; ++augmentation) {
    switch (*augmentation) {
    case 'R':
      e.encoding = data.byte();
      break;
    case 'P':
      data.pointer(data.byte());
      break;
    case 'L':
      data.byte();
      break;
    case 'S':
      out.signal = true;
      break;
    default:
      return false;
    }
  }
  e.common = r;
  return true;
}

bool read_entry(const std::uint8_t* at, frame_entry& e, frame_description& out) noexcept {
  dwarf_reader head(at, at + 8);
  const auto length = head.fixed<std::uint32_t>();
  const auto distance = head.fixed<std::uint32_t>();
  if (length == 0 || length == 0xffffffff || distance == 0) return false;
  if (!read_common(at + 4 - distance, e, out)) return false;
  dwarf_reader r(at + 8, at + 4 + length);
  e.begin = r.pointer(e.encoding);
  e.end = e.begin + r.pointer(e.encoding & 0x0f);
  // No common entry without "z" is written today; its functions would have none of this.
  r.part(r.unsigned_number());
  e.own = r;
  return true;
}

/// The function's entry, by the sorted table of .eh_frame_hdr.
const std::uint8_t* find_entry(const std::uint8_t* table, std::uint64_t pc) noexcept {
  constexpr std::uint8_t usual[] = {1, 0x1b, 0x03, 0x3b};
  if (__builtin_memcmp(table, usual, sizeof usual) != 0) return nullptr;
  struct entry {
    std::int32_t function, frame;
  };
  std::uint32_t count;
  __builtin_memcpy(&count, table + 8, sizeof count);
  const auto* entries = reinterpret_cast<const entry*>(table + 12);
  const auto offset = static_cast<std::int64_t>(pc - reinterpret_cast<std::uint64_t>(table));
  if (count == 0 || offset < entries[0].function) return nullptr;
  std::uint32_t low = 0, high = count;
  while (high - low > 1) {
    const std::uint32_t middle = (low + high) / 2;
    (entries[middle].function <= offset ? low : high) = middle;
  }
  return table + entries[low].frame;
}

/// Executes DW_CFA_* instructions up to the one that `pc` lies behind.
class frame_program {
 public:
  frame_program(const frame_entry& e, std::uint64_t pc, frame_description& out) noexcept
      : entry_(e), pc_(pc), out_(out), location_(e.begin) {}

  bool run() noexcept {
    if (!execute(entry_.common)) return false;
    initial_ = out_;
    return execute(entry_.own);
  }

 private:
  static constexpr int nested = 4;

  /// Rules of registers that are none of ours (vector ones) go nowhere.
  register_rule& rule(std::uint64_t number) noexcept {
    return number < stack_registers::count ? out_.registers[number] : unused_;
  }
  void set(std::uint64_t number, register_rule::kind how, std::int64_t value) noexcept {
    rule(number) = {how, value};
  }
  void restore(std::uint64_t number) noexcept {
    if (number < stack_registers::count) out_.registers[number] = initial_.registers[number];
  }
  void define_cfa(std::uint64_t number, std::int64_t offset) noexcept {
    out_.cfa_register = number;
    out_.cfa_offset = offset;
    out_.cfa_expression = 0;
  }
  bool remember() noexcept {
    if (depth_ == nested) return false;
    saved_[depth_++] = out_;
    return true;
  }
  bool recall() noexcept {
    if (depth_ == 0) return false;
    static_cast<frame_rules&>(out_) = saved_[--depth_];
    return true;
  }
  /// False: what follows is about instructions behind pc.
  bool advance(std::uint64_t units) noexcept {
    location_ += units * entry_.code_unit;
    return location_ <= pc_;
  }

  bool execute(dwarf_reader r) noexcept;

  const frame_entry& entry_;
  std::uint64_t pc_;
  frame_description& out_;
  std::uint64_t location_;
  frame_rules initial_;
  register_rule unused_;
  frame_rules saved_[nested];
  int depth_ = 0;
};

bool frame_program::execute(dwarf_reader r) noexcept {
  const auto scaled = [&] {
    return static_cast<std::int64_t>(r.unsigned_number()) * entry_.data_unit;
  };
  while (!r.done()) {
    const std::uint8_t code = r.byte();
    const std::uint8_t low = code & 0x3f;
    switch (code & 0xc0) {
    case 0x40: // DW_CFA_advance_loc
      if (!advance(low)) return true;
      continue;
    case 0x80: // DW_CFA_offset
      set(low, register_rule::at_offset, scaled());
      continue;
    case 0xc0: // DW_CFA_restore
      restore(low);
      continue;
    default:
      break;
    }
    std::uint64_t number = 0;
    switch (low) {
    case 0x00: // DW_CFA_nop
      break;
    case 0x01: // DW_CFA_set_loc
      location_ = r.pointer(entry_.encoding);
      if (location_ > pc_) return true;
      break;
    case 0x02: // DW_CFA_advance_loc1, 2, 4
      if (!advance(r.byte())) return true;
      break;
    case 0x03:
      if (!advance(r.fixed<std::uint16_t>())) return true;
      break;
    case 0x04:
      if (!advance(r.fixed<std::uint32_t>())) return true;
      break;
    case 0x05: // DW_CFA_offset_extended
      number = r.unsigned_number();
      set(number, register_rule::at_offset, scaled());
      break;
    case 0x06: // DW_CFA_restore_extended
      restore(r.unsigned_number());
      break;
    case 0x07: // DW_CFA_undefined
      set(r.unsigned_number(), register_rule::undefined, 0);
      break;
    case 0x08: // DW_CFA_same_value
      set(r.unsigned_number(), register_rule::same, 0);
      break;
    case 0x09: // DW_CFA_register
      number = r.unsigned_number();
      set(number, register_rule::in_register, static_cast<std::int64_t>(r.unsigned_number()));
      break;
    case 0x0a: // DW_CFA_remember_state
      if (!remember()) return false;
      break;
    case 0x0b: // DW_CFA_restore_state
      if (!recall()) return false;
      break;
    case 0x0c: // DW_CFA_def_cfa
      number = r.unsigned_number();
      define_cfa(number, static_cast<std::int64_t>(r.unsigned_number()));
      break;
    case 0x0d: // DW_CFA_def_cfa_register
      define_cfa(r.unsigned_number(), out_.cfa_offset);
      break;
    case 0x0e: // DW_CFA_def_cfa_offset
      out_.cfa_offset = static_cast<std::int64_t>(r.unsigned_number());
      break;
    case 0x0f: // DW_CFA_def_cfa_expression
      out_.cfa_expression = reinterpret_cast<std::int64_t>(r.at());
      r.part(r.unsigned_number());
      break;
    case 0x10: // DW_CFA_expression
    case 0x16: // DW_CFA_val_expression
      number = r.unsigned_number();
      set(number, low == 0x10 ? register_rule::at_expression : register_rule::is_expression,
          reinterpret_cast<std::int64_t>(r.at()));
      r.part(r.unsigned_number());
      break;
    case 0x11: // DW_CFA_offset_extended_sf
      number = r.unsigned_number();
      set(number, register_rule::at_offset, r.signed_number() * entry_.data_unit);
      break;
    case 0x12: // DW_CFA_def_cfa_sf
      number = r.unsigned_number();
      define_cfa(number, r.signed_number() * entry_.data_unit);
      break;
    case 0x13: // DW_CFA_def_cfa_offset_sf
      out_.cfa_offset = r.signed_number() * entry_.data_unit;
      break;
    case 0x14: // DW_CFA_val_offset
      number = r.unsigned_number();
      set(number, register_rule::is_offset, scaled());
      break;
    case 0x15: // DW_CFA_val_offset_sf
      number = r.unsigned_number();
      set(number, register_rule::is_offset, r.signed_number() * entry_.data_unit);
      break;
    case 0x2e: // DW_CFA_GNU_args_size
      r.unsigned_number();
      break;
    default:
      return false;
    }
  }
  return true;
}

} // namespace

bool describe_frame(std::uint64_t pc, frame_description& out) noexcept {
  // Of ld.so, without a lock (glibc 2.35): made for unwinders in signal handlers.
  struct dl_find_object found;
  if (_dl_find_object(reinterpret_cast<void*>(pc), &found) != 0 || !found.dlfo_eh_frame)
    return false;
  const std::uint8_t* at = find_entry(static_cast<const std::uint8_t*>(found.dlfo_eh_frame), pc);
  frame_entry entry;
  if (!at || !read_entry(at, entry, out)) return false;
  if (pc < entry.begin || pc >= entry.end) return false;
  return frame_program(entry, pc, out).run();
}

} // namespace weft::patch
