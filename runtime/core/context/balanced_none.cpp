// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/context/balanced.hpp"

namespace weft::core {

jump_function find_balanced_jump() noexcept {
  return nullptr;
}

} // namespace weft::core
