// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/context/context.hpp"

#include "runtime/core/context/balanced.hpp"

namespace weft::core {
namespace {

void switch_by_boost(context to, context* save) noexcept {
  const transfer t = jump_fcontext(to, save);
  *static_cast<context*>(t.data) = t.from;
}

constinit jump_kind kind_in_use = jump_kind::boost;

} // namespace

constinit jump_function jump = jump_fcontext;
constinit switch_function switch_to = switch_by_boost;

constinit const jump_function jump_unpaired = jump_fcontext;

context make_context(void* top, std::size_t size, void (*entry)(transfer)) noexcept {
  return make_fcontext(top, size, entry);
}

jump_kind current_jump() noexcept {
  return kind_in_use;
}

bool select_jump(jump_kind kind) noexcept {
  const jump_pair selected = kind == jump_kind::boost ? jump_pair{jump_fcontext, switch_by_boost}
                                                      : find_balanced_jump(kind);
  if (!selected.jump) return false;
  jump = selected.jump;
  switch_to = selected.switch_to;
  kind_in_use = kind;
  return true;
}

} // namespace weft::core
