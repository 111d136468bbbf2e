// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "runtime/core/context/context.hpp"

/// Boost.Context's C interface, as of 1.56 and later.
extern "C" {
weft::core::context make_fcontext(void* top, std::size_t size, void (*entry)(weft::core::transfer));
weft::core::transfer jump_fcontext(weft::core::context to, void* data) noexcept;
}

namespace weft::core {

struct jump_pair {
  jump_function jump;
  switch_function switch_to;
};

/// This machine's jump of that kind, which keeps calls and returns balanced, its `jump` found
/// to be interchangeable with Boost's as linked; null where there is none. One file for each
/// instruction set.
[[nodiscard]] jump_pair find_balanced_jump(jump_kind kind) noexcept;

} // namespace weft::core
