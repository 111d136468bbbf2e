// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

weft::promise<weft::socket_address> where;

/// The example's, but on a port that is free.
struct tcp_server : weft::tcp_server {
  template <class F>
  tcp_server(const char* host, std::uint16_t, F&& handler)
      : weft::tcp_server(host, 0, std::forward<F>(handler)) {
    where.set_value(local_address());
  }
};

void serve() {
  //< example >
}

TEST(documentation, tcp_server) {
  weft::run([] {
    auto serving = weft::spawn(serve);
    auto peer = weft::connect_to(where.get_future().get(), {.timeout = 20s});
    peer.write_all("hello\n");
    EXPECT_EQ(peer.read_line({.timeout = 20s}), "hello");
    serving.kill();
  });
}

} // namespace
