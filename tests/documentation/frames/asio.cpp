// SPDX-License-Identifier: BSL-1.0
#include "weft/asio.hpp"

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <string>

#include "weft/weft.hpp"

using boost::asio::ip::tcp;

namespace {

TEST(documentation, asio) {
  boost::asio::io_context servers;
  const weft::io_context_thread runs_servers{servers};
  tcp::acceptor acceptor{servers, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  const tcp::endpoint server = acceptor.local_endpoint();
  auto serves = weft::spawn([&] {
    tcp::socket peer = acceptor.async_accept(weft::use_fiber);
    std::array<char, 5> data{};
    boost::asio::async_read(peer, boost::asio::buffer(data), weft::use_fiber);
    boost::asio::async_write(peer, boost::asio::buffer(data), weft::use_fiber);
  });
  const std::string request = "hello";
  std::array<char, 100> reply{};
  //< example >
  EXPECT_EQ(n, 5U);
  EXPECT_EQ(error, boost::asio::error::eof);
  serves.get();
}

TEST(documentation, asio_in_a_fiber) {
  boost::asio::io_context io;
  const auto work = boost::asio::make_work_guard(io);
  //< example >
  weft::spawn([&] { boost::asio::post(io, weft::use_fiber); }).get();
  io.stop();
  poller.join();
}

} // namespace
