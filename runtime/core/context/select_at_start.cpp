// SPDX-License-Identifier: BSL-1.0
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/core/context/context.hpp"

namespace weft::core {
namespace {

// Before the constructors of static objects, some of which may spawn.
[[gnu::constructor(101)]] void select_at_start() noexcept {
  const char* const wish = std::getenv("WEFT_CONTEXT");
  const auto is = [wish](const char* name) { return wish && std::strcmp(wish, name) == 0; };
  if (is("boost")) return;
  jump_kind kind = faster_balanced();
  if (is("balanced_looking"))
    kind = jump_kind::balanced_looking;
  else if (is("balanced_loading"))
    kind = jump_kind::balanced_loading;
  const bool known = !wish || is("balanced") || is("balanced_looking") || is("balanced_loading");
  if (!known)
    std::fprintf(stderr,
                 "weft: WEFT_CONTEXT=%s is none of boost, balanced, balanced_looking and "
                 "balanced_loading; ignored\n",
                 wish);
  if (!select_jump(kind) && wish && known)
    std::fprintf(stderr, "weft: WEFT_CONTEXT=%s cannot be used here; using boost\n", wish);
}

} // namespace
} // namespace weft::core
