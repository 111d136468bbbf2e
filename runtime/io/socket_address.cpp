// SPDX-License-Identifier: BSL-1.0
#include "weft/socket_address.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "runtime/io/failure.hpp"

namespace weft {
namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

socket_address asked(int fd, const char* call, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage storage;
  socklen_t size = sizeof storage;
  if (ask(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0)
    io::throw_failure(call, fd, errno);
  return {reinterpret_cast<const sockaddr*>(&storage), size};
}

} // namespace

socket_address::socket_address(const sockaddr* address, socklen_t size) : size_(size) {
  if (size > sizeof storage_)
    throw std::invalid_argument("weft: a socket address has at most " +
                                std::to_string(sizeof storage_) + " bytes");
  if (size != 0) std::memcpy(&storage_, address, size);
}

socket_address socket_address::ip(std::string_view host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  const std::string name(host.empty() ? "0.0.0.0" : host);
  addrinfo* found = nullptr;
  // For a numeric host this asks nobody.
  if (::getaddrinfo(name.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    throw std::invalid_argument("weft: \"" + name + "\" is no numeric Internet address");
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  return {found->ai_addr, found->ai_addrlen};
}

socket_address socket_address::unix_path(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    throw std::invalid_argument("weft: the path of a UNIX socket has 1 to " +
                                std::to_string(sizeof address.sun_path - 1) + " bytes");
  std::copy(path.begin(), path.end(), address.sun_path);
  const bool abstract = path.front() == '@' || path.front() == '\0';
  if (abstract) address.sun_path[0] = '\0';
  const std::size_t size = path_offset + path.size() + (abstract ? 0 : 1);
  return {reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size)};
}

socket_address socket_address::of(int fd) {
  return asked(fd, "getsockname", [](int n, sockaddr* address, socklen_t* size) {
    return ::getsockname(n, address, size);
  });
}

socket_address socket_address::of_peer(int fd) {
  return asked(fd, "getpeername", [](int n, sockaddr* address, socklen_t* size) {
    return ::getpeername(n, address, size);
  });
}

std::string socket_address::host() const {
  if (family() != AF_INET && family() != AF_INET6) return {};
  char text[NI_MAXHOST];
  if (::getnameinfo(data(), size_, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) return {};
  return text;
}

std::uint16_t socket_address::port() const noexcept {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage_).sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(storage_).sin6_port);
  return 0;
}

std::string socket_address::path() const {
  if (family() != AF_UNIX || size_ <= path_offset) return {};
  const char* begin = reinterpret_cast<const char*>(&storage_) + path_offset;
  const std::size_t length = size_ - path_offset;
  if (*begin == '\0') return "@" + std::string(begin + 1, length - 1);
  return {begin, ::strnlen(begin, length)};
}

std::string socket_address::to_string() const {
  switch (family()) {
  case AF_INET:
    return host() + ":" + std::to_string(port());
  case AF_INET6:
    return "[" + host() + "]:" + std::to_string(port());
  default:
    const std::string name = path();
    return name.empty() ? "unnamed" : name;
  }
}

bool socket_address::operator==(const socket_address& other) const noexcept {
  return size_ == other.size_ && std::memcmp(&storage_, &other.storage_, size_) == 0;
}

} // namespace weft
