// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/context/context.hpp"

#include "runtime/core/context/balanced.hpp"

namespace weft::core {

constinit jump_function jump = jump_fcontext;

constinit const jump_function jump_unpaired = jump_fcontext;

context make_context(void* top, std::size_t size, void (*entry)(transfer)) noexcept {
  return make_fcontext(top, size, entry);
}

jump_kind current_jump() noexcept {
  return jump == jump_fcontext ? jump_kind::boost : jump_kind::balanced;
}

bool select_jump(jump_kind kind) noexcept {
  const jump_function selected = kind == jump_kind::boost ? jump_fcontext : find_balanced_jump();
  if (!selected) return false;
  jump = selected;
  return true;
}

} // namespace weft::core
