// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/region.hpp"

#include "patch/sites/decoder.hpp"

namespace weft::patch {

void code_region::decode(const object_view& object, const std::uint8_t* begin,
                         const std::uint8_t* end) noexcept {
  begin_ = begin;
  end_ = static_cast<std::size_t>(end - begin) > max_size ? begin + max_size : end;
  complete_ = false;
  has_unknown_jump_ = false;
  __builtin_memset(marks_, 0, static_cast<std::size_t>(end_ - begin_));

  constexpr std::size_t max_loads = 512;
  const std::uint8_t* loads[max_loads];
  std::size_t load_count = 0;
  bool indirect = false;

  instruction_flow i;
  const std::uint8_t*& p = decoded_end_ = begin;
  for (; p < end_; p += i.length) {
    const std::span code(p, end_);
    if (!quick_flow(code, i) && !decode_flow(code, i)) break;
    marks_[p - begin_] |= boundary;
    if (i.landing_pad) mark_target(p);
    if (i.target) mark_target(i.target);
    if (i.loads && load_count < max_loads) loads[load_count++] = i.loads;
    indirect |= i.indirect_jump;
  }
  complete_ = end_ == end && p == end_;
  if (!indirect) return;
  has_unknown_jump_ = load_count == max_loads;
  for (const auto* table : std::span(loads, load_count))
    mark_jump_table(object, table);
}

/// A switch jumps by a table of 32-bit distances from the table itself, a computed goto by one of
/// addresses; both begin where a `lea` of the function points. Which of those are tables is
/// not known, so each is read as both for as long as it leads into the function: at worst a
/// place that is no target counts as one.
void code_region::mark_jump_table(const object_view& object, const std::uint8_t* table) noexcept {
  const auto data = object.data_from(table);
  for (std::size_t at = 0; at + sizeof(std::int32_t) <= data.size(); at += sizeof(std::int32_t)) {
    std::int32_t distance;
    __builtin_memcpy(&distance, &data[at], sizeof distance);
    if (table + distance < begin_ || table + distance >= end_) break;
    mark_target(table + distance);
  }
  for (std::size_t at = 0; at + sizeof(const std::uint8_t*) <= data.size();
       at += sizeof(const std::uint8_t*)) {
    const std::uint8_t* address;
    __builtin_memcpy(&address, &data[at], sizeof address);
    if (address < begin_ || address >= end_) break;
    mark_target(address);
  }
}

const std::uint8_t* code_region::previous(const std::uint8_t* p) const noexcept {
  constexpr int longest = 15;
  for (int n = 1; n <= longest && p - n >= begin_; ++n)
    if (is_boundary(p - n)) return p - n;
  return nullptr;
}

} // namespace weft::patch
