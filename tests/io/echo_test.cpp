// SPDX-License-Identifier: BSL-1.0
#include <netinet/tcp.h>

#include <cstring>

#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

void serve(int fd) {
  char buffer[512];
  for (ssize_t n; (n = io::read(fd, buffer, sizeof buffer)) > 0;)
    ASSERT_EQ(io::write(fd, buffer, static_cast<std::size_t>(n)), n);
  io::close(fd);
}

/// Messages of many sizes, each of which must come back as it went.
int converse(int fd, int seed) {
  int right = 0;
  for (int i = 0; i < 10; ++i) {
    const auto size = static_cast<std::size_t>(1 + (seed * 31 + i * 97) % 2000);
    std::string sent = pattern(size);
    sent[0] = static_cast<char>(seed);
    if (io::write(fd, sent.data(), size) != static_cast<ssize_t>(size)) break;
    right += read_exactly(fd, size) == sent;
  }
  io::close(fd);
  return right;
}

TEST(echo, a_thousand_fibers_on_one_hub) {
  constexpr int count = 1000;
  in_fiber([] {
    std::vector<task<void>> servers;
    std::vector<task<int>> clients;
    for (int i = 0; i < count / 2; ++i) {
      auto [a, b] = i % 2 == 0 ? make_tcp_pair(0) : make_unix_pair(SOCK_STREAM);
      servers.push_back(spawn(serve, a.release()));
      clients.push_back(spawn(converse, b.release(), i));
    }
    for (auto& each : clients)
      ASSERT_EQ(each.get(), 10);
    EXPECT_EQ(joinall(servers, {.timeout = 10s}).size(), servers.size());
  });
}

TEST(echo, server_and_clients_over_a_listener) {
  tcp_listener listener(500);
  in_fiber([&] {
    auto server = spawn([&] {
      std::vector<task<void>> all;
      while (true) {
        const int fd = io::accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) break;
        all.push_back(spawn(serve, fd));
      }
      EXPECT_EQ(errno, EBADF);
      joinall(all);
      return all.size();
    });
    std::vector<task<int>> clients;
    for (int i = 0; i < 200; ++i)
      clients.push_back(spawn([&, i] {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT_EQ(io::connect(fd, listener.generic(), sizeof listener.address), 0);
        return converse(fd, i);
      }));
    for (auto& each : clients)
      EXPECT_EQ(each.get(), 10);
    io::close(listener.fd.release());
    EXPECT_EQ(server.get(), 200u);
  });
}

} // namespace
} // namespace weft::test
