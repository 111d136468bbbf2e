// SPDX-License-Identifier: BSL-1.0
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <string>
#include <string_view>

#include "bench/echo/listener.hpp"
#include "bench/http/answer.h"

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

asio::awaitable<void> serve(tcp::socket peer) {
  constexpr std::string_view answer = ANSWER;
  std::string came;
  try {
    while (true) {
      const std::size_t head = co_await asio::async_read_until(
          peer, asio::dynamic_buffer(came, 65536), END_OF_HEAD, asio::use_awaitable);
      if (!came.starts_with("GET ")) co_return;
      came.erase(0, head);
      co_await asio::async_write(peer, asio::buffer(answer), asio::use_awaitable);
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
