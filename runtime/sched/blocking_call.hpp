// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "weft/detail/blocking_call.hpp"

namespace weft::detail {

/// As a person would write it: "mutex::lock".
const char* name_of(blocking_call call) noexcept;

} // namespace weft::detail
