// SPDX-License-Identifier: BSL-1.0
#include "runtime/io/resolve.hpp"

#include <netdb.h>

#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

#include "runtime/io/failure.hpp"
#include "weft/resolve.hpp"

namespace weft {
namespace {

struct resolver_errors final : std::error_category {
  [[nodiscard]] const char* name() const noexcept override { return "getaddrinfo"; }
  [[nodiscard]] std::string message(int code) const override { return ::gai_strerror(code); }
};

} // namespace

const std::error_category& resolver_category() noexcept {
  static const resolver_errors category;
  return category;
}

namespace io {

std::vector<socket_address> resolve(std::string_view host, std::uint16_t port,
                                    const deadline& until) {
  if (host.empty()) return {socket_address::ip(host, port)};
  const std::string name(host);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM; // else each comes once for each type
  addrinfo* found = nullptr;
  const int code = getaddrinfo(name.c_str(), std::to_string(port).c_str(), &hints, &found, until);
  if (code == EAI_SYSTEM) throw_failure("look up " + name, errno);
  if (code != 0) throw std::system_error(code, resolver_category(), "weft: look up " + name);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  std::vector<socket_address> addresses;
  for (const addrinfo* each = found; each; each = each->ai_next)
    addresses.emplace_back(each->ai_addr, each->ai_addrlen);
  return addresses;
}

} // namespace io
} // namespace weft
