// SPDX-License-Identifier: BSL-1.0
#include "runtime/io/resolve.hpp"

namespace weft::io {

std::vector<socket_address> resolve(std::string_view host, std::uint16_t port, const deadline&) {
  return {socket_address::ip(host, port)};
}

} // namespace weft::io
