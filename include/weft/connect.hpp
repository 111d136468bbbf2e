// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <string_view>

#include <weft/deadline.hpp>
#include <weft/socket_address.hpp>
#include <weft/stream.hpp>

namespace [[gnu::visibility("default")]] weft {

struct connect_options {
  /// For the whole: looking the name up and every attempt.
  deadline timeout = {};
};

/// Connects to a host by name or numeric address, and gives the connection. If the name has
/// several addresses they are tried in turn, and the error of the last one counts. TCP_NODELAY is
/// set (asyncio, Go). Model: gevent.socket.create_connection.
///
///     auto peer = connect_tcp("127.0.0.1", 8080, {.timeout = 5s});
///     peer.write_all("hello\n");
///
/// Parks the fiber, or blocks a thread without a hub; a switch point if it has to wait. An attempt
/// that is cancelled or not done in time is given up and leaves nothing behind. Throws
/// std::system_error: the system's reason, std::errc::timed_out, or of `resolver_category()` that
/// the name is not known.
[[nodiscard]] stream connect_tcp(std::string_view host, std::uint16_t port,
                                 const connect_options& options = {});

/// The same to a UNIX socket's path; '@' as the first character means the abstract name space.
[[nodiscard]] stream connect_unix(std::string_view path, const connect_options& options = {});

/// The same to an address of either kind.
[[nodiscard]] stream connect_to(const socket_address& address, const connect_options& options = {});

} // namespace weft
