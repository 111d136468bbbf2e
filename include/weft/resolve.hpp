// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <netdb.h>
#include <sys/socket.h>

#include <system_error>

#include <weft/deadline.hpp>

namespace [[gnu::visibility("default")]] weft {
namespace io {

/// The cooperative form of POSIX's getaddrinfo: same arguments and results, by the same resolver
/// (/etc/hosts, DNS, whatever nsswitch.conf says), which runs on another thread while the fiber is
/// parked. Free the list by ::freeaddrinfo. Model: asyncio's loop.getaddrinfo,
/// gevent.socket.getaddrinfo.
///
///     addrinfo* found = nullptr;
///     addrinfo hints{};
///     hints.ai_socktype = SOCK_STREAM;
///     int error = weft::io::getaddrinfo("localhost", "80", &hints, &found, 5s);
///     if (error == 0) ::freeaddrinfo(found);
///
/// When the deadline comes first: EAI_SYSTEM with errno ETIMEDOUT, and `*found` is left alone. The
/// resolver cannot be interrupted: given up or cancelled, it ends by itself and its answer is
/// dropped. Always a switch point. A numeric or absent host with a numeric or absent service is
/// answered at once. On a thread without a hub, and without a deadline, the plain call is made.
int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** found,
                deadline until = {});

/// The same of getnameinfo. `host` and `service` are written only if the result is 0.
int getnameinfo(const sockaddr* address, socklen_t address_size, char* host, socklen_t host_size,
                char* service, socklen_t service_size, int flags, deadline until = {});

} // namespace io

/// The category of getaddrinfo's codes (EAI_NONAME, EAI_AGAIN, ...), where connect_tcp and its like
/// throw them as std::system_error.
[[nodiscard]] const std::error_category& resolver_category() noexcept;

} // namespace weft
