// SPDX-License-Identifier: BSL-1.0
#include "weft/datagram.hpp"

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "tests/io/fibers.hpp"
#include "tests/net/errors.hpp"
#include "tests/net/scratch_directory.hpp"
#include "weft/pipe.hpp"

namespace weft::test {
namespace {

std::string text_of(const datagram& got, const char* buffer) {
  return {buffer, got.size};
}

TEST(datagram, udp_there_and_back) {
  in_fiber([] {
    auto server = bind_udp("127.0.0.1", 0);
    const auto address = socket_address::of(server.fd());
    auto echo = spawn([&] {
      char buffer[1500];
      for (int i = 0; i < 3; ++i) {
        const datagram got = server.receive(buffer);
        server.send_to(got.from, {buffer, got.size});
      }
    });
    auto client = connect_udp("127.0.0.1", address.port());
    char buffer[1500];
    for (const std::string text : {"one", "", "three"}) {
      client.send(text);
      const datagram got = client.receive(buffer, 10s);
      EXPECT_EQ(text_of(got, buffer), text);
      EXPECT_EQ(got.from, address);
      EXPECT_FALSE(got.truncated);
    }
    echo.get();
  });
}

TEST(datagram, what_does_not_fit_is_told) {
  in_fiber([] {
    auto [a, b] = make_datagram_pair();
    auto udp = bind_udp("127.0.0.1", 0);
    udp.send_to(socket_address::of(udp.fd()), "0123456789");
    a.send("0123456789");
    for (datagram_socket* each : {&udp, &b}) {
      std::array<char, 4> four{};
      const datagram got = each->receive(four, 10s);
      EXPECT_EQ(got.size, 4u);
      EXPECT_TRUE(got.truncated);
      EXPECT_EQ(std::string(four.data(), 4), "0123");
    }
  });
}

TEST(datagram, a_deadline_is_an_error) {
  in_fiber([] {
    auto socket = bind_udp("127.0.0.1", 0);
    char buffer[16];
    const auto begun = clock::now();
    EXPECT_EQ(error_code_of([&] { (void)socket.receive(buffer, 5ms); }), ETIMEDOUT);
    EXPECT_GE(clock::now() - begun, 5ms);
    auto [a, b] = make_datagram_pair();
    EXPECT_EQ(error_code_of([&, &a = a] {
                for (int i = 0; i < 100'000; ++i)
                  a.send("fills the queue", 5ms);
              }),
              ETIMEDOUT);
  });
}

TEST(datagram, cancelled_loses_nothing) {
  in_fiber([] {
    auto [a, b] = make_datagram_pair();
    char buffer[16];
    auto reader = spawn([&, &b = b] { (void)b.receive(buffer); });
    yield();
    reader.kill();
    a.send("kept");
    EXPECT_EQ(text_of(b.receive(buffer), buffer), "kept");
  });
}

TEST(datagram, close_gives_ebadf) {
  in_fiber([] {
    auto socket = bind_udp("127.0.0.1", 0);
    auto reader = spawn([&] {
      char buffer[16];
      return error_code_of([&] { (void)socket.receive(buffer); });
    });
    yield();
    socket.close();
    EXPECT_EQ(reader.get(), EBADF);
  });
}

TEST(datagram, each_goes_to_one_of_several_readers) {
  in_fiber([] {
    auto socket = bind_udp("127.0.0.1", 0);
    std::vector<std::string> got;
    std::vector<task<void>> readers;
    for (int i = 0; i < 4; ++i)
      readers.push_back(spawn([&] {
        char buffer[16];
        got.push_back(text_of(socket.receive(buffer, 10s), buffer));
      }));
    auto sender = bind_udp("127.0.0.1", 0);
    for (const char* text : {"a", "b", "c", "d"})
      sender.send_to(socket_address::of(socket.fd()), text);
    joinall(readers);
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, (std::vector<std::string>{"a", "b", "c", "d"}));
  });
}

TEST(datagram, nobody_there_is_connection_refused) {
  in_fiber([] {
    std::uint16_t port;
    {
      auto gone = bind_udp("127.0.0.1", 0);
      port = socket_address::of(gone.fd()).port();
    }
    auto socket = connect_udp("127.0.0.1", port);
    socket.send("hello?");
    char buffer[16];
    EXPECT_EQ(error_code_of([&] { (void)socket.receive(buffer, 10s); }), ECONNREFUSED);
  });
}

TEST(datagram, unix_by_path) {
  in_fiber([] {
    const scratch_directory scratch;
    auto server = bind_datagram(socket_address::unix_path(scratch.path("server")));
    auto named = bind_datagram(socket_address::unix_path(scratch.path("client")));
    named.connect(socket_address::of(server.fd()));
    auto unnamed = connect_datagram(socket_address::of(server.fd()));
    char buffer[16];
    named.send("named");
    datagram got = server.receive(buffer);
    EXPECT_EQ(text_of(got, buffer), "named");
    EXPECT_EQ(got.from.path(), scratch.path("client"));
    unnamed.send("unnamed");
    got = server.receive(buffer);
    EXPECT_EQ(text_of(got, buffer), "unnamed");
    EXPECT_EQ(got.from.to_string(), "unnamed");
  });
}

TEST(datagram, on_threads_without_a_hub) {
  auto [a, b] = make_datagram_pair();
  char buffer[16];
  EXPECT_EQ(error_code_of([&, &b = b] { (void)b.receive(buffer, 1ms); }), ETIMEDOUT);
  std::thread sender([&, &a = a] { a.send("x"); });
  EXPECT_EQ(text_of(b.receive(buffer), buffer), "x");
  sender.join();
}

} // namespace
} // namespace weft::test
