// SPDX-License-Identifier: BSL-1.0
#include <sys/un.h>

#include <thread>

#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

int error_of(ssize_t result) {
  return result == -1 ? errno : 0;
}

owned_fd tcp_socket() {
  return owned_fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
}

TEST(accept, parks_until_a_connection_comes) {
  tcp_listener listener;
  in_fiber([&] {
    auto server = spawn([&] {
      sockaddr_in peer{};
      socklen_t size = sizeof peer;
      owned_fd one{
          io::accept4(listener.fd, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC)};
      EXPECT_EQ(peer.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
      EXPECT_EQ(::fcntl(one, F_GETFD), FD_CLOEXEC);
      EXPECT_TRUE(blocking(one));
      EXPECT_EQ(io::write(one, "hi", 2), 2);
      io::close(one.release());
    });
    yield();
    EXPECT_FALSE(server.done());
    owned_fd client = tcp_socket();
    EXPECT_EQ(io::connect(client, listener.generic(), sizeof listener.address), 0);
    EXPECT_EQ(read_exactly(client, 10), "hi");
    EXPECT_TRUE(blocking(client));
    EXPECT_TRUE(blocking(listener.fd));
    io::close(client.release());
    io::close(listener.fd.release());
  });
}

TEST(accept, several_waiters_get_one_each) {
  tcp_listener listener;
  in_fiber([&] {
    int accepted = 0;
    std::vector<task<void>> servers;
    for (int i = 0; i < 10; ++i)
      servers.push_back(spawn([&] {
        owned_fd one{io::accept(listener.fd, nullptr, nullptr)};
        accepted += one >= 0;
        io::close(one.release());
      }));
    yield();
    std::vector<owned_fd> clients;
    for (int i = 0; i < 10; ++i) {
      clients.push_back(tcp_socket());
      EXPECT_EQ(io::connect(clients.back(), listener.generic(), sizeof listener.address), 0);
      if (i == 4) {
        sleep(1ms);
        EXPECT_EQ(accepted, 5);
      }
    }
    joinall(servers, {.timeout = 2s});
    EXPECT_EQ(accepted, 10);
    io::close(listener.fd.release());
  });
}

TEST(accept, two_hubs_share_a_listener) {
  tcp_listener listener;
  constexpr int each = 200;
  std::atomic<int> accepted = 0;
  const auto serve = [&] {
    in_fiber([&] {
      while (accepted < 2 * each) {
        owned_fd one{io::accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC, 20ms)};
        if (one < 0) continue;
        ++accepted;
        io::close(one.release());
      }
    });
  };
  std::thread first(serve), second(serve);
  std::thread client([&] {
    for (int i = 0; i < 2 * each; ++i) {
      const owned_fd one = tcp_socket();
      ASSERT_EQ(::connect(one, listener.generic(), sizeof listener.address), 0);
    }
  });
  client.join();
  first.join();
  second.join();
  EXPECT_EQ(accepted, 2 * each);
}

TEST(connect, refused) {
  sockaddr_in address;
  {
    const tcp_listener gone;
    address = gone.address;
  }
  in_fiber([&] {
    owned_fd client = tcp_socket();
    EXPECT_EQ(error_of(io::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address)),
              ECONNREFUSED);
    io::close(client.release());
  });
}

/// A listener that answers no more, because its queue is full.
struct full_listener : tcp_listener {
  full_listener() : tcp_listener(0) {
    for (int i = 0; i < 3; ++i) {
      queue.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      ::connect(queue.back(), generic(), sizeof address);
    }
  }
  std::vector<owned_fd> queue;
};

TEST(connect, gives_up_at_the_deadline_and_others_run_meanwhile) {
  const full_listener full;
  in_fiber([&] {
    int ticks = 0;
    const auto ticker = spawn([&] {
      for (;; ++ticks)
        sleep(1ms);
    });
    owned_fd client = tcp_socket();
    const auto begun = clock::now();
    EXPECT_EQ(error_of(io::connect(client, full.generic(), sizeof full.address, 20ms)), ETIMEDOUT);
    EXPECT_GE(clock::now() - begun, 20ms);
    EXPECT_LT(clock::now() - begun, 1s);
    EXPECT_GE(ticks, 3);
    io::close(client.release());
  });
}

TEST(connect, many_at_once) {
  tcp_listener listener(200);
  in_fiber([&] {
    auto server = spawn([&] {
      for (int i = 0; i < 100; ++i) {
        const owned_fd one{io::accept(listener.fd, nullptr, nullptr)};
        EXPECT_GE(one, 0);
      }
    });
    std::vector<task<int>> clients;
    for (int i = 0; i < 100; ++i)
      clients.push_back(spawn([&] {
        owned_fd one = tcp_socket();
        const int result = io::connect(one, listener.generic(), sizeof listener.address);
        io::close(one.release());
        return result;
      }));
    for (auto& each : clients)
      EXPECT_EQ(each.get(), 0);
    server.join();
    io::close(listener.fd.release());
  });
}

TEST(connect, unix_sockets_and_datagrams) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  address.sun_path[0] = '\0'; // abstract
  const socklen_t size =
      offsetof(sockaddr_un, sun_path) + 1 +
      static_cast<socklen_t>(
          std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "weft-%d", ::getpid()));
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const owned_fd listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  ASSERT_EQ(::bind(listener, generic, size), 0);
  ASSERT_EQ(::listen(listener, 5), 0);
  const tcp_listener any; // for its address only
  in_fiber([&] {
    owned_fd client{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    EXPECT_EQ(io::connect(client, generic, size), 0);
    owned_fd datagrams{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    EXPECT_EQ(io::connect(datagrams, any.generic(), sizeof any.address), 0);
    EXPECT_EQ(error_of(io::connect(client, generic, 1)), EINVAL);
    EXPECT_EQ(error_of(io::connect(-1, generic, size)), EBADF);
    io::close(client.release());
    io::close(datagrams.release());
  });
}

TEST(connect, the_callers_descriptor_may_be_closed_meanwhile) {
  const full_listener full;
  in_fiber([&] {
    owned_fd client = tcp_socket();
    const int number = client;
    auto connecting = spawn(
        [&] { return error_of(io::connect(number, full.generic(), sizeof full.address, 30ms)); });
    sleep(2ms);
    io::close(client.release());
    EXPECT_NE(connecting.get(), 0);
  });
}

} // namespace
} // namespace weft::test
