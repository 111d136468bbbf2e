// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/frame_table.hpp"

#include <cstring>

namespace weft::patch {
namespace {

// DWARF pointer encodings, as in the Linux Standard Base's description of .eh_frame_hdr.
constexpr std::uint8_t pcrel_sdata4 = 0x1b;
constexpr std::uint8_t datarel_sdata4 = 0x3b;
constexpr std::uint8_t udata4 = 0x03;

template <class T>
T load(const std::uint8_t* p) noexcept {
  T value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}

} // namespace

frame_table::frame_table(std::span<const std::uint8_t> header) noexcept {
  if (header.size() < 12 || header[0] != 1 || header[1] != pcrel_sdata4 || header[2] != udata4 ||
      header[3] != datarel_sdata4)
    return;
  const auto count = load<std::uint32_t>(&header[8]);
  if (count > (header.size() - 12) / sizeof(entry)) return;
  header_ = header.data();
  entries_ = {reinterpret_cast<const entry*>(&header[12]), count};
}

frame_table::range frame_table::find(const std::uint8_t* address) const noexcept {
  if (entries_.empty() || address < header_ + entries_[0].function) return {};
  std::size_t low = 0, high = entries_.size();
  while (high - low > 1) {
    const std::size_t middle = (low + high) / 2;
    (header_ + entries_[middle].function <= address ? low : high) = middle;
  }
  return {header_ + entries_[low].function, end_of(entries_[low]),
          high < entries_.size() ? header_ + entries_[high].function : nullptr};
}

std::span<const std::uint8_t> frame_table::extent() const noexcept {
  if (entries_.empty()) return {};
  return {header_ + entries_.front().function, end_of(entries_.back())};
}

/// An FDE is a length, the distance to its CIE, begin and size. Both have the CIE's encoding, which
/// is pc-relative 32 bits wide unless the code model is large. Instead of reading the CIE, see
/// whether such a begin agrees with the table's; if not, the end is unknown and taken to be
/// the begin.
const std::uint8_t* frame_table::end_of(const entry& e) const noexcept {
  const std::uint8_t* begin = header_ + e.function;
  const std::uint8_t* frame = header_ + e.frame;
  if (load<std::uint32_t>(frame) == 0xffffffff) return begin;
  if (frame + 8 + load<std::int32_t>(frame + 8) != begin) return begin;
  return begin + load<std::uint32_t>(frame + 12);
}

} // namespace weft::patch
