// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

weft::socket_address where;

/// The example's, but on a port that is free.
weft::stream connect_tcp(const char* host, std::uint16_t, const weft::connect_options& options) {
  return weft::connect_tcp(host, where.port(), options);
}

TEST(documentation, connect) {
  weft::run([] {
    const auto listener = weft::listen_tcp("127.0.0.1", 0);
    where = weft::socket_address::of(listener.get());
    auto server = weft::spawn([&] {
      weft::stream peer(weft::descriptor(weft::io::accept(listener.get(), nullptr, nullptr)));
      return peer.read_line();
    });
    //< example >
    EXPECT_EQ(server.get(), "hello");
  });
}

} // namespace
