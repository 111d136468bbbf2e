// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "bench/echo/listener.hpp"

/// What the servers written with Asio have in common.
namespace echo {

namespace asio = boost::asio;
using asio::ip::tcp;

/// Serves one connection, and ends quietly when the peer has gone.
using serve_function = asio::awaitable<void> (*)(tcp::socket peer);

inline asio::awaitable<void> accept_all(tcp::acceptor& acceptor, serve_function serve) {
  while (true) {
    tcp::socket peer = co_await acceptor.async_accept(asio::use_awaitable);
    peer.set_option(tcp::no_delay(true));
    asio::co_spawn(acceptor.get_executor(), serve(std::move(peer)), asio::detached);
  }
}

/// Serves all connections to the port that the arguments name, for ever.
inline void run_asio_server(int argc, char** argv, serve_function serve) {
  asio::io_context context(1); // one thread: no locks
  tcp::acceptor acceptor(context);
  acceptor.open(tcp::v4());
  acceptor.set_option(tcp::acceptor::reuse_address(true));
  acceptor.bind({asio::ip::address_v4::loopback(), port_argument(argc, argv)});
  acceptor.listen(4096);
  announce(acceptor.local_endpoint().port());
  asio::co_spawn(context, accept_all(acceptor, serve), asio::detached);
  context.run();
}

} // namespace echo
