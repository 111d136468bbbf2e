// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include <weft/connect.hpp>
#include <weft/deadline.hpp>
#include <weft/descriptor.hpp>
#include <weft/socket_address.hpp>

namespace [[gnu::visibility("default")]] weft {

/// What `datagram_socket::receive` got.
struct datagram {
  /// Bytes that were stored.
  std::size_t size = 0;
  /// The sender; of no family if that is an unnamed UNIX socket.
  socket_address from;
  /// It was longer than the space for it: the rest is lost.
  bool truncated = false;
};

/// Owns a socket for datagrams: UDP or UNIX. Model: gevent.socket with SOCK_DGRAM.
///
///     auto socket = bind_udp("127.0.0.1", 5353);
///     char buffer[1500];
///     while (true) {
///       auto got = socket.receive(buffer);
///       socket.send_to(got.from, {buffer, got.size});
///     }
///
/// Sending and receiving park the fiber (or block a thread without a hub) and are switch points,
/// at which cancellation is thrown; a datagram is sent or received whole or not at all. Errors are
/// std::system_error, a deadline that comes first is `std::errc::timed_out`. Several fibers may
/// send and receive at once; a datagram goes to one of them. Closing ends all with EBADF.
class [[nodiscard]] datagram_socket {
 public:
  /// Closed.
  datagram_socket() noexcept = default;
  explicit datagram_socket(descriptor fd) noexcept : fd_(std::move(fd)) {}

  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
  /// -1 if it is closed.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  /// Gives the descriptor away.
  [[nodiscard]] descriptor release() noexcept { return std::move(fd_); }

  /// Receives one datagram, which may be empty.
  datagram receive(std::span<std::byte> to, deadline until = {});
  datagram receive(std::span<char> to, deadline until = {}) {
    return receive(std::as_writable_bytes(to), until);
  }

  /// Sends one to whom the socket is connected to. That nobody received an earlier one may be told
  /// here, or by `receive`, as std::errc::connection_refused.
  void send(std::span<const std::byte> data, deadline until = {});
  void send(std::string_view data, deadline until = {}) {
    send(std::as_bytes(std::span(data)), until);
  }

  /// Sends one to `to`.
  void send_to(const socket_address& to, std::span<const std::byte> data, deadline until = {});
  void send_to(const socket_address& to, std::string_view data, deadline until = {}) {
    send_to(to, std::as_bytes(std::span(data)), until);
  }

  /// From now on sends to `to`, and receives from there only. Never blocks.
  void connect(const socket_address& to);

  void close() noexcept { fd_.reset(); }

 private:
  descriptor fd_;
};

/// A UDP socket that receives what is sent to `host` (empty: every IPv4 address) and `port` (0:
/// one that is free). May wait for the name to be looked up. Throws std::system_error.
[[nodiscard]] datagram_socket bind_udp(std::string_view host, std::uint16_t port);

/// A UDP socket on a free port, connected to `host` and `port`. May wait for the name to be looked
/// up; nothing is sent. Throws std::system_error.
[[nodiscard]] datagram_socket connect_udp(std::string_view host, std::uint16_t port,
                                          const connect_options& options = {});

/// A socket for datagrams bound to an address of either kind, so that others can send to it. Never
/// blocks. Throws std::system_error.
[[nodiscard]] datagram_socket bind_datagram(const socket_address& address);

/// One that is connected to an address and has none of its own, or a free port. Never blocks.
[[nodiscard]] datagram_socket connect_datagram(const socket_address& to);

} // namespace weft
