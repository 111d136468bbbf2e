// SPDX-License-Identifier: BSL-1.0
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "bench/echo/asio_listener.hpp"

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

asio::awaitable<void> serve(tcp::socket peer) {
  char buffer[4096];
  try {
    while (true) {
      const std::size_t size =
          co_await peer.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      co_await asio::async_write(peer, asio::buffer(buffer, size), asio::use_awaitable);
    }
  } catch (const boost::system::system_error&) { // the peer has gone
  }
}

} // namespace

int main(int argc, char** argv) {
  echo::run_asio_server(argc, argv, serve);
}
