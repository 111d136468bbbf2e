// SPDX-License-Identifier: BSL-1.0
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/core/context/context.hpp"

namespace weft::core {
namespace {

// Before the constructors of static objects, some of which may spawn.
[[gnu::constructor(101)]] void select_at_start() noexcept {
  const char* wish = std::getenv("WEFT_CONTEXT");
  if (wish && std::strcmp(wish, "boost") == 0) return;
  const bool known = !wish || std::strcmp(wish, "balanced") == 0;
  if (!known)
    std::fprintf(stderr, "weft: WEFT_CONTEXT=%s is neither boost nor balanced; ignored\n", wish);
  if (!select_jump(faster_balanced()) && wish && known)
    std::fputs("weft: WEFT_CONTEXT=balanced cannot be used here; using boost\n", stderr);
}

} // namespace
} // namespace weft::core
