// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/inbound.hpp"

#include <cstdint>

#include "patch/sites/scan.hpp"

namespace weft::patch {
namespace {

/// Which addresses may lie inside a layout, by their low 16 bits: one look-up tells nearly all
/// branches from the one that matters.
class inside_filter {
 public:
  void clear() noexcept { __builtin_memset(bits_, 0, sizeof bits_); }
  void add(const std::uint8_t* p) noexcept { bits_[index(p) / 8] |= 1u << index(p) % 8; }
  [[nodiscard]] bool may_contain(const std::uint8_t* p) const noexcept {
    return bits_[index(p) / 8] >> index(p) % 8 & 1;
  }

 private:
  static std::uint32_t index(const std::uint8_t* p) noexcept {
    return reinterpret_cast<std::uintptr_t>(p) & 0xffff;
  }
  std::uint8_t bits_[65536 / 8] = {};
};

constinit inside_filter inside;
constinit const std::uint8_t* jumps[1024] = {};

std::size_t drop_entered_at(const std::uint8_t* target, std::span<text_edit> edits) noexcept {
  std::size_t dropped = 0;
  for (auto& edit : edits) {
    if (!edit.destination || target <= edit.plan.begin || target >= edit.plan.end) continue;
    edit.destination = nullptr;
    ++dropped;
  }
  return dropped;
}

} // namespace

std::size_t drop_entered_edits(const object_view& object, std::span<text_edit> edits) noexcept {
  bool any = false;
  inside.clear();
  for (const auto& edit : edits) {
    if (!edit.destination || !edit.plan.has_inside()) continue;
    any = true;
    for (const auto* p = edit.plan.begin + 1; p < edit.plan.end; ++p)
      inside.add(p);
  }
  if (!any) return 0;

  std::size_t dropped = 0;
  for (const auto& text : object.texts()) {
    const std::uint8_t* p = text.begin;
    while (p < text.end) {
      std::size_t count;
      p = collect_long_jumps(p, text.end, jumps, count);
      for (const auto* jump : std::span(jumps, count)) {
        const std::uint8_t* next = jump + (*jump == 0x0f ? 6 : 5);
        if (next > text.end) continue;
        std::int32_t distance;
        __builtin_memcpy(&distance, next - sizeof distance, sizeof distance);
        if (inside.may_contain(next + distance)) dropped += drop_entered_at(next + distance, edits);
      }
    }
  }
  return dropped;
}

} // namespace weft::patch
