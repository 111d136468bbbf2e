// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace weft::launcher {

/// Fills `into` from the file at `offset`, with as many bytes as the file has there; says how many.
using read_at = std::function<std::size_t(std::uint64_t offset, std::span<std::byte> into)>;

/// What an ELF file says about itself, as far as the launcher wants to know it.
struct elf_image {
  bool is_64_bit = false;
  bool is_little_endian = false;
  std::uint16_t machine = 0; // EM_*
  std::uint16_t type = 0;    // ET_*

  // Filled only for what this machine could run: 64-bit, little-endian, x86-64.
  bool is_truncated = false;       // a header points outside the file
  bool is_go = false;              // holds code of the Go toolchain
  std::string interpreter;         // PT_INTERP; empty when there is none
  std::vector<std::string> needed; // DT_NEEDED, in order
};

/// Nothing when the file has no ELF header. Never trusts a length or an offset of the file: it is
/// bounded in time and memory for any input.
std::optional<elf_image> read_elf(const read_at& read);

} // namespace weft::launcher
