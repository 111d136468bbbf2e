// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace weft::patch {

/// Whose code an address is, as far as the loaded object itself tells.
struct code_place {
  const char* object = nullptr; // file's name without its folders; null: none that ld.so knows
  std::uint64_t offset = 0;     // within the object, as addr2line wants it
  const char* symbol = nullptr; // as it stands in .dynsym; null: none
  std::uint64_t within = 0;     // bytes behind the symbol
};

/// Neither allocates nor locks. `program` is the name of the program itself, which ld.so does not
/// know.
code_place place_of(std::uint64_t address, const char* program) noexcept;

} // namespace weft::patch
