// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace [[gnu::visibility("default")]] weft {

/// Where a socket is, or its peer: an Internet address with a port, or a UNIX path. A value, no
/// larger than the kernel's. Nothing here blocks or asks a name server.
///
///     auto address = weft::socket_address::ip("127.0.0.1", 8080);
///     std::cout << address.to_string(); // 127.0.0.1:8080
class socket_address {
 public:
  /// Of no family; what an unnamed UNIX socket's peer has.
  socket_address() noexcept = default;
  /// A copy. Throws std::invalid_argument if `size` is larger than sockaddr_storage.
  socket_address(const sockaddr* address, socklen_t size);

  /// Of a numeric host, IPv4 or IPv6 ("::1", "fe80::1%eth0"). Empty is "0.0.0.0", every IPv4
  /// address of this machine; "::" is every IPv6 address and, unless the system is set up
  /// otherwise, IPv4 too. Throws std::invalid_argument for a name: connect_tcp and its like look
  /// names up.
  [[nodiscard]] static socket_address ip(std::string_view host, std::uint16_t port);
  /// Of a UNIX socket. One that begins with '@' or NUL is in Linux's abstract name space. Throws
  /// std::invalid_argument if it is empty, or longer than the kernel takes (107 bytes).
  [[nodiscard]] static socket_address unix_path(std::string_view path);

  /// What the socket `fd` is bound to, and whom it is connected to. Throw std::system_error.
  [[nodiscard]] static socket_address of(int fd);
  [[nodiscard]] static socket_address of_peer(int fd);

  /// AF_INET, AF_INET6, AF_UNIX, or AF_UNSPEC.
  [[nodiscard]] int family() const noexcept { return size_ == 0 ? AF_UNSPEC : storage_.ss_family; }
  /// Numeric; empty for other than Internet addresses.
  [[nodiscard]] std::string host() const;
  /// 0 for other than Internet addresses.
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// Of a UNIX socket, with '@' for the abstract name space's NUL; empty for others.
  [[nodiscard]] std::string path() const;
  /// "127.0.0.1:80", "[::1]:80", "/run/it.socket", "@it", "unnamed".
  [[nodiscard]] std::string to_string() const;

  /// For the system's calls.
  [[nodiscard]] const sockaddr* data() const noexcept {
    return reinterpret_cast<const sockaddr*>(&storage_);
  }
  [[nodiscard]] socklen_t size() const noexcept { return size_; }

  bool operator==(const socket_address& other) const noexcept;

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

} // namespace weft
