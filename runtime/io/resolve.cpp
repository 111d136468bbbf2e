// SPDX-License-Identifier: BSL-1.0
#include "runtime/io/resolve.hpp"

#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

#include "runtime/io/failure.hpp"
#include "weft/resolve.hpp"

namespace weft::io {
namespace {

/// The codes of getaddrinfo.
class resolver_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "getaddrinfo"; }
  [[nodiscard]] std::string message(int code) const override { return ::gai_strerror(code); }
};

[[noreturn]] void throw_resolver_failure(const std::string& what, int code) {
  static const resolver_category category;
  throw std::system_error(code, category, "weft: " + what);
}

} // namespace

std::vector<socket_address> resolve(std::string_view host, std::uint16_t port,
                                    const deadline& until) {
  if (host.empty()) return {socket_address::ip(host, port)};
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM; // or each address would come once for each kind of socket
  hints.ai_flags = AI_NUMERICSERV;
  const std::string name(host);
  addrinfo* found = nullptr;
  const int code = getaddrinfo(name.c_str(), std::to_string(port).c_str(), &hints, &found, until);
  if (code == EAI_SYSTEM) throw_failure("looking up " + name, errno);
  if (code != 0) throw_resolver_failure("looking up " + name, code);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  std::vector<socket_address> addresses;
  for (const addrinfo* each = found; each; each = each->ai_next)
    addresses.emplace_back(each->ai_addr, each->ai_addrlen);
  return addresses;
}

} // namespace weft::io
