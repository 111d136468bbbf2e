// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "runtime/core/context/context.hpp"

/// Boost.Context's C interface, as of 1.56 and later.
extern "C" {
weft::core::context make_fcontext(void* top, std::size_t size, void (*entry)(weft::core::transfer));
weft::core::transfer jump_fcontext(weft::core::context to, void* data) noexcept;
}

namespace weft::core {

/// This machine's jump that keeps calls and returns balanced, found to be interchangeable
/// with Boost's as linked; null where there is none. One file for each instruction set.
[[nodiscard]] jump_function find_balanced_jump() noexcept;

} // namespace weft::core
