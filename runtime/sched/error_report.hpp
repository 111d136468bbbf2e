// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <string>

#include "weft/detail/state.hpp"

namespace weft::detail {

/// Hands an exception that nobody else will see to the error handler.
void report_error(const char* where, std::exception_ptr error) noexcept;
/// Type and text of an exception.
std::string describe(const std::exception_ptr& error);
/// "fiber NAME" or "future".
std::string describe(const state& s) noexcept;
std::string name_of(const state& s);

} // namespace weft::detail
