// SPDX-License-Identifier: BSL-1.0
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "bench/echo/listener.hpp"

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

asio::awaitable<void> accept_all(tcp::acceptor& acceptor) {
  while (true) {
    tcp::socket peer = co_await acceptor.async_accept(asio::use_awaitable);
    peer.set_option(tcp::no_delay(true));
    asio::co_spawn(acceptor.get_executor(), serve(std::move(peer)), asio::detached);
  }
}

} // namespace

int main(int argc, char** argv) {
  asio::io_context context(1); // one thread: no locks
  tcp::acceptor acceptor(context);
  acceptor.open(tcp::v4());
  acceptor.set_option(tcp::acceptor::reuse_address(true));
  acceptor.bind({asio::ip::address_v4::loopback(), echo::port_argument(argc, argv)});
  acceptor.listen(4096);
  echo::announce(acceptor.local_endpoint().port());
  asio::co_spawn(context, accept_all(acceptor), asio::detached);
  context.run();
}
