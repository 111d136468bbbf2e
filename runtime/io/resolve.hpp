// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "weft/deadline.hpp"
#include "weft/socket_address.hpp"

namespace weft::io {

/// The addresses of `host`, at least one, in the order in which they should be tried; a numeric
/// one without asking anybody. Throws std::system_error.
[[nodiscard]] std::vector<socket_address> resolve(std::string_view host, std::uint16_t port,
                                                  const deadline& until);

} // namespace weft::io
