// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <string_view>

#include <weft/descriptor.hpp>
#include <weft/socket_address.hpp>

namespace [[gnu::visibility("default")]] weft {

struct listen_options {
  /// Connections that the kernel keeps until they are accepted; it has a limit of its own
  /// (net.core.somaxconn).
  int backlog = 1024;
  /// SO_REUSEPORT: several sockets listen on one port, and the kernel deals out the connections.
  /// One for each thread's hub spreads a server over threads.
  bool reuse_port = false;
};

/// A TCP socket that listens on `host` (a name or a numeric address; empty: every IPv4 address)
/// and `port` (0: one that is free, which `socket_address::of` tells), for weft::io::accept or a
/// tcp_server. A port that a server has just left can be taken (SO_REUSEADDR). Connections have
/// TCP_NODELAY set.
///
/// May wait for the name to be looked up, then a switch point. Throws std::system_error.
[[nodiscard]] descriptor listen_tcp(std::string_view host, std::uint16_t port,
                                    const listen_options& options = {});

/// A UNIX socket that listens on a path; '@' as the first character means the abstract name
/// space. A socket that is left there, on which nobody listens any more, is removed; one in use
/// is std::errc::address_in_use. The path stays when the descriptor is closed. Never blocks.
/// Throws std::system_error.
[[nodiscard]] descriptor listen_unix(std::string_view path, const listen_options& options = {});

/// The same on an address of either kind. Never blocks.
[[nodiscard]] descriptor listen_on(const socket_address& address,
                                   const listen_options& options = {});

} // namespace weft
