// SPDX-License-Identifier: BSL-1.0
#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <string>
#include <string_view>

#include "bench/echo/asio_listener.hpp"
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

} // namespace

int main(int argc, char** argv) {
  echo::run_asio_server(argc, argv, serve);
}
