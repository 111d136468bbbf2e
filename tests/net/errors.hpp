// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <system_error>
#include <utility>

namespace weft::test {

/// The code of the std::system_error that `f` throws; 0 if it throws nothing.
template <class F>
int error_code_of(F&& f) {
  try {
    std::forward<F>(f)();
  } catch (const std::system_error& e) {
    return e.code().value();
  }
  return 0;
}

} // namespace weft::test
