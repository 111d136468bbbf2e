// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <link.h>

/// A loaded ELF object as its program headers describe it; no file is opened.
namespace weft::patch {

struct text_segment {
  std::uint8_t* begin;
  std::uint8_t* end;
  int protection; // PROT_*

  [[nodiscard]] bool contains(const void* p) const noexcept { return p >= begin && p < end; }
};

struct object_view {
  static constexpr int max_segments = 8;

  const char* name = "";
  std::uintptr_t base = 0; // load bias
  text_segment text[max_segments] = {};
  int text_count = 0;
  std::span<const std::uint8_t> data[max_segments] = {}; // readable and without code
  int data_count = 0;
  std::uintptr_t low = 0, high = 0;           // of all its segments
  std::span<const std::uint8_t> frame_header; // .eh_frame_hdr; empty if it has none

  [[nodiscard]] std::span<const text_segment> texts() const noexcept {
    return {text, static_cast<std::size_t>(text_count)};
  }
  [[nodiscard]] bool contains(const void* p) const noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(p);
    return address >= low && address < high;
  }
  /// What can be read of its data from `p` on.
  [[nodiscard]] std::span<const std::uint8_t> data_from(const std::uint8_t* p) const noexcept {
    for (int i = 0; i < data_count; ++i)
      if (p >= data[i].data() && p < data[i].data() + data[i].size())
        return data[i].subspan(static_cast<std::size_t>(p - data[i].data()));
    return {};
  }
};

/// The object with these program headers, loaded at `base`.
[[nodiscard]] object_view describe_object(const char* name, std::uintptr_t base,
                                          const ElfW(Phdr) * headers, int count) noexcept;

/// The object whose ELF header is mapped at `elf_header`, as by ld.so's first mmap of it. All its
/// segments must be in place. An object_view without text if it is no ELF of this machine.
[[nodiscard]] object_view describe_object_at(const char* name, const void* elf_header) noexcept;

} // namespace weft::patch
