// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace weft::patch {

/// A system call's name; empty for a number that had none when this was written.
[[nodiscard]] const char* call_name(std::uint64_t number) noexcept;

} // namespace weft::patch
