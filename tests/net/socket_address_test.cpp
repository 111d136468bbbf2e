// SPDX-License-Identifier: BSL-1.0
#include "weft/socket_address.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

#include "tests/net/errors.hpp"
#include "weft/listen.hpp"

namespace weft::test {
namespace {

TEST(socket_address, of_ipv4_and_ipv6) {
  const auto four = socket_address::ip("127.0.0.1", 80);
  EXPECT_EQ(four.family(), AF_INET);
  EXPECT_EQ(four.host(), "127.0.0.1");
  EXPECT_EQ(four.port(), 80);
  EXPECT_EQ(four.path(), "");
  EXPECT_EQ(four.to_string(), "127.0.0.1:80");
  const auto six = socket_address::ip("::1", 65535);
  EXPECT_EQ(six.family(), AF_INET6);
  EXPECT_EQ(six.to_string(), "[::1]:65535");
  EXPECT_EQ(socket_address::ip("", 1).host(), "0.0.0.0");
  EXPECT_THROW((void)socket_address::ip("example.org", 80), std::invalid_argument);
}

TEST(socket_address, of_unix_paths) {
  const auto file = socket_address::unix_path("/tmp/it");
  EXPECT_EQ(file.family(), AF_UNIX);
  EXPECT_EQ(file.path(), "/tmp/it");
  EXPECT_EQ(file.to_string(), "/tmp/it");
  EXPECT_EQ(file.host(), "");
  EXPECT_EQ(file.port(), 0);
  EXPECT_EQ(socket_address::unix_path("@it").path(), "@it");
  EXPECT_EQ(socket_address::unix_path(std::string("\0it", 3)), socket_address::unix_path("@it"));
  EXPECT_EQ(socket_address::unix_path(std::string(107, 'p')).path(), std::string(107, 'p'));
  EXPECT_THROW((void)socket_address::unix_path(std::string(108, 'p')), std::invalid_argument);
  EXPECT_THROW((void)socket_address::unix_path(""), std::invalid_argument);
}

TEST(socket_address, of_nothing) {
  const socket_address none;
  EXPECT_EQ(none.family(), AF_UNSPEC);
  EXPECT_EQ(none.to_string(), "unnamed");
  EXPECT_EQ(none, socket_address());
  EXPECT_NE(none, socket_address::ip("127.0.0.1", 1));
  EXPECT_NE(socket_address::ip("127.0.0.1", 2), socket_address::ip("127.0.0.1", 1));
  const sockaddr_storage large{};
  EXPECT_THROW(socket_address(reinterpret_cast<const sockaddr*>(&large), sizeof large + 1),
               std::invalid_argument);
}

TEST(socket_address, of_sockets) {
  const descriptor listener = listen_tcp("127.0.0.1", 0);
  EXPECT_EQ(socket_address::of(listener.get()).host(), "127.0.0.1");
  EXPECT_NE(socket_address::of(listener.get()).port(), 0);
  EXPECT_EQ(error_code_of([&] { (void)socket_address::of_peer(listener.get()); }), ENOTCONN);
  EXPECT_EQ(error_code_of([] { (void)socket_address::of(-1); }), EBADF);
}

} // namespace
} // namespace weft::test
