// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <optional>
#include <system_error>

namespace weft::test {

/// What std::system_error `f` ends with; none if it ends without.
template <class F>
std::optional<std::errc> error_of(F&& f) {
  try {
    f();
  } catch (const std::system_error& e) {
    return static_cast<std::errc>(e.code().value());
  }
  return std::nullopt;
}

} // namespace weft::test
