// SPDX-License-Identifier: BSL-1.0
#include "weft/connect.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/io/fibers.hpp"
#include "tests/net/errors.hpp"
#include "tests/net/scratch_directory.hpp"
#include "weft/datagram.hpp"
#include "weft/listen.hpp"
#include "weft/resolve.hpp"

namespace weft::test {
namespace {

stream accept_one(const descriptor& listener) {
  return stream(descriptor(io::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC, 10s)));
}

std::uint16_t port_of(const descriptor& listener) {
  return socket_address::of(listener.get()).port();
}

int option(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

TEST(connect, tcp) {
  in_fiber([] {
    const descriptor listener = listen_tcp("127.0.0.1", 0);
    auto server = spawn([&] {
      stream peer = accept_one(listener);
      EXPECT_NE(option(peer.fd(), IPPROTO_TCP, TCP_NODELAY), 0);
      peer.write_all(peer.read_line().value() + " back\n");
    });
    stream peer = connect_tcp("127.0.0.1", port_of(listener), {.timeout = 10s});
    EXPECT_TRUE(blocking(peer.fd()));
    EXPECT_NE(option(peer.fd(), IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_TRUE(::fcntl(peer.fd(), F_GETFD) & FD_CLOEXEC);
    EXPECT_EQ(socket_address::of_peer(peer.fd()).port(), port_of(listener));
    peer.write_all("there and\n");
    EXPECT_EQ(peer.read_line({.timeout = 10s}), "there and back");
    server.get();
  });
}

TEST(connect, refused) {
  in_fiber([] {
    std::uint16_t port;
    {
      const descriptor listener = listen_tcp("127.0.0.1", 0);
      port = port_of(listener);
    }
    try {
      (void)connect_tcp("127.0.0.1", port);
      FAIL();
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::connection_refused);
      EXPECT_EQ(std::string(e.what()),
                "weft: connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused");
    }
  });
}

TEST(connect, by_name) {
  in_fiber([] {
    const descriptor listener = listen_tcp("localhost", 0);
    auto connecting =
        spawn([&] { return connect_tcp("localhost", port_of(listener), {.timeout = 20s}); });
    int turns = 0; // of others, while the name is looked up
    while (!connecting.done()) {
      sleep(100us);
      ++turns;
    }
    EXPECT_GT(turns, 0);
    EXPECT_TRUE(connecting.get());
    auto udp = bind_udp("localhost", 0);
    const auto port = socket_address::of(udp.fd()).port();
    connect_udp("localhost", port, {.timeout = 20s}).send("x");
    char buffer[4];
    EXPECT_EQ(udp.receive(buffer, 20s).size, 1u);
  });
}

TEST(connect, a_name_that_cannot_be) {
  in_fiber([] {
    try {
      (void)connect_tcp(std::string(100, 'x'), 1); // no name server needs to be asked
      FAIL();
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code().category(), resolver_category()) << e.what();
      EXPECT_TRUE(std::string(e.what()).starts_with("weft: look up xxx")) << e.what();
    }
  });
}

/// A listener whose backlog is full: it answers no more attempts.
struct full_listener {
  descriptor fd = listen_tcp("127.0.0.1", 0, {.backlog = 0});
  std::vector<descriptor> waiting;

  full_listener() {
    const socket_address address = socket_address::of(fd.get());
    for (int i = 0; i < 4; ++i) {
      waiting.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      ::connect(waiting.back().get(), address.data(), address.size());
    }
  }
};

TEST(connect, ends_by_its_time_out) {
  in_fiber([] {
    const full_listener listener;
    const auto begun = clock::now();
    EXPECT_EQ(error_code_of(
                  [&] { (void)connect_tcp("127.0.0.1", port_of(listener.fd), {.timeout = 20ms}); }),
              ETIMEDOUT);
    EXPECT_GE(clock::now() - begun, 20ms);
  });
}

TEST(connect, can_be_cancelled) {
  in_fiber([] {
    const full_listener listener;
    auto attempt = spawn([&] { (void)connect_tcp("127.0.0.1", port_of(listener.fd)); });
    sleep(1ms);
    EXPECT_FALSE(attempt.done());
    attempt.kill();
    EXPECT_TRUE(attempt.was_cancelled());
  });
}

TEST(connect, on_a_thread_without_a_hub) {
  const descriptor listener = listen_tcp("127.0.0.1", 0);
  stream peer = connect_tcp("127.0.0.1", port_of(listener), {.timeout = 10s});
  stream other = accept_one(listener);
  other.write_all("x");
  EXPECT_EQ(peer.read_exactly(1, 10s), "x");
  const full_listener full;
  EXPECT_EQ(
      error_code_of([&] { (void)connect_tcp("127.0.0.1", port_of(full.fd), {.timeout = 5ms}); }),
      ETIMEDOUT);
}

TEST(connect, unix_by_path_and_by_abstract_name) {
  in_fiber([] {
    const scratch_directory scratch;
    const std::string abstract = "@weft-connect-test-" + std::to_string(::getpid());
    for (const std::string& path : {scratch.path("socket"), abstract}) {
      const descriptor listener = listen_unix(path);
      stream peer = connect_unix(path);
      stream other = accept_one(listener);
      other.write_all("hello\n");
      EXPECT_EQ(peer.read_line(), "hello");
      EXPECT_EQ(socket_address::of_peer(peer.fd()).path(), path);
    }
    EXPECT_EQ(error_code_of([&] { (void)connect_unix(scratch.path("none")); }), ENOENT);
  });
}

TEST(connect, unix_waits_while_the_backlog_is_full) {
  in_fiber([] {
    const scratch_directory scratch;
    const std::string path = scratch.path("socket");
    const descriptor listener = listen_unix(path, {.backlog = 0});
    const stream first = connect_unix(path);
    EXPECT_EQ(error_code_of([&] { (void)connect_unix(path, {.timeout = 5ms}); }), ETIMEDOUT);
    auto second = spawn([&] { return connect_unix(path); });
    sleep(1ms);
    EXPECT_FALSE(second.done());
    const stream accepted = accept_one(listener);
    EXPECT_TRUE(second.join(10s));
    EXPECT_TRUE(blocking(second.get().fd()));
  });
}

TEST(listen, reuses_a_path_that_nobody_listens_on) {
  in_fiber([] {
    const scratch_directory scratch;
    const std::string path = scratch.path("socket");
    {
      const descriptor listener = listen_unix(path);
      EXPECT_EQ(error_code_of([&] { (void)listen_unix(path); }), EADDRINUSE);
    }
    const descriptor listener = listen_unix(path);
    const stream peer = connect_unix(path);
    EXPECT_TRUE(peer);
    // Other files are never removed.
    const std::string file = scratch.path("file");
    const descriptor kept(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    EXPECT_EQ(error_code_of([&] { (void)listen_unix(file); }), EADDRINUSE);
    EXPECT_EQ(::access(file.c_str(), F_OK), 0);
  });
}

TEST(listen, a_port_in_use_is_an_error_unless_it_is_shared) {
  const descriptor first = listen_tcp("127.0.0.1", 0);
  EXPECT_EQ(error_code_of([&] { (void)listen_tcp("127.0.0.1", port_of(first)); }), EADDRINUSE);
  const descriptor shared = listen_tcp("127.0.0.1", 0, {.reuse_port = true});
  const descriptor second = listen_tcp("127.0.0.1", port_of(shared), {.reuse_port = true});
  EXPECT_EQ(port_of(second), port_of(shared));
}

} // namespace
} // namespace weft::test
