// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/observe/dwarf_reader.hpp"
#include "patch/observe/readable.hpp"
#include "patch/observe/registers.hpp"

namespace weft::patch {

/// Computes a DWARF expression of a frame's description, beginning with `first` on its stack
/// unless null. False for what cannot be computed, or memory that cannot be read.
bool compute(dwarf_reader expression, const stack_registers& registers, const std::uint64_t* first,
             readable_memory& memory, std::uint64_t& result) noexcept;

} // namespace weft::patch
