// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

weft::promise<std::uint16_t> port;

/// The example's, but on a port that is free.
weft::datagram_socket bind_here(std::string_view host, std::uint16_t) {
  auto made = weft::bind_udp(host, 0);
  port.set_value(weft::socket_address::of(made.fd()).port());
  return made;
}

void echo() {
  const auto bind_udp = bind_here;
  //< example >
}

TEST(documentation, datagram) {
  weft::run([] {
    auto server = weft::spawn(echo);
    auto client = weft::connect_udp("127.0.0.1", port.get_future().get());
    client.send("hello");
    char answer[16];
    EXPECT_EQ(client.receive(answer, 10s).size, 5u);
    server.kill();
  });
}

} // namespace
