// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <utility>

#include <weft/datagram.hpp>
#include <weft/stream.hpp>

namespace [[gnu::visibility("default")]] weft {

/// A pipe: what is written to `to_write` comes out of `to_read`.
struct pipe_ends {
  stream to_read;
  stream to_write;
};

/// A new pipe, closed on exec. Never blocks. Throws std::system_error.
///
///     auto [to_read, to_write] = weft::make_pipe();
///     auto writer = weft::spawn([&] { to_write.write_all("hello\n"); });
///     auto line = to_read.read_line();
[[nodiscard]] pipe_ends make_pipe();

/// Two connected UNIX sockets: what is written to one comes out of the other (socketpair).
[[nodiscard]] std::pair<stream, stream> make_stream_pair();

/// The same for datagrams: none is lost, and order is kept.
[[nodiscard]] std::pair<datagram_socket, datagram_socket> make_datagram_pair();

} // namespace weft
