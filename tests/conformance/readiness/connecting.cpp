// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <algorithm>
#include <atomic>
#include <poll.h>
#include <sys/un.h>
#include <vector>

namespace {

using namespace conformance;

void accept_waits() {
  const listener server;
  std::thread acceptor([&] {
    for (int i = 0; i < 10; ++i) {
      sockaddr_in peer{};
      socklen_t length = sizeof peer;
      const int fd = accept(server.fd, reinterpret_cast<sockaddr*>(&peer), &length);
      expect(fd >= 0, "accept");
      expect_equal(length, sizeof peer, "the address's length");
      expect_equal(peer.sin_addr.s_addr, htonl(INADDR_LOOPBACK), "the peer's address");
      close(fd);
    }
  });
  for (int i = 0; i < 10; ++i) {
    usleep(1000);
    close(server.connect_to());
  }
  acceptor.join();
}

void accept_flags() {
  const listener server;
  const int first = server.connect_to();
  const int second = server.connect_to();
  const int plain = accept4(server.fd, nullptr, nullptr, 0);
  expect_equal(fcntl(plain, F_GETFL) & O_NONBLOCK, 0, "a plain accept blocks");
  expect_equal(fcntl(plain, F_GETFD) & FD_CLOEXEC, 0, "and is inherited");
  const int marked = accept4(server.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  expect_equal(fcntl(marked, F_GETFL) & O_NONBLOCK, O_NONBLOCK, "SOCK_NONBLOCK");
  expect_equal(fcntl(marked, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, "SOCK_CLOEXEC");
  char byte = 0;
  expect_errno(recv(marked, &byte, 1, 0), EAGAIN, "recv without blocking");
  for (const int fd : {first, second, plain, marked})
    close(fd);
  expect_errno(accept(-1, nullptr, nullptr), EBADF, "accept of no descriptor");
  const pipe_pair pipe;
  expect_errno(accept(pipe.reader, nullptr, nullptr), ENOTSOCK, "accept of a pipe");
}

void several_threads_accept() {
  const listener server;
  std::atomic<int> accepted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 5; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 4; ++i) {
        const int fd = accept(server.fd, nullptr, nullptr);
        if (fd >= 0) accepted.fetch_add(1);
        close(fd);
      }
    });
  let_others_block();
  for (int i = 0; i < 20; ++i)
    close(server.connect_to());
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(accepted.load(), 20, "accepted");
}

void connect_refused() {
  sockaddr_in address{};
  {
    const listener server;
    address = server.address;
  }
  std::thread([&] {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    expect_errno(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), ECONNREFUSED,
                 "connect");
    close(fd);
  }).join();
}

void connect_without_blocking() {
  const listener server;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int result =
      connect(fd, reinterpret_cast<const sockaddr*>(&server.address), sizeof server.address);
  expect(result == 0 || errno == EINPROGRESS, "connect in progress");
  pollfd entry{fd, POLLOUT, 0};
  expect_equal(poll(&entry, 1, 10'000), 1, "poll");
  int error = -1;
  socklen_t length = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  expect_equal(error, 0, "SO_ERROR");
  const int accepted = accept(server.fd, nullptr, nullptr);
  expect_equal(send(accepted, "x", 1, 0), 1, "send");
  entry.events = POLLIN;
  expect_equal(poll(&entry, 1, 10'000), 1, "poll for the byte");
  char byte = 0;
  expect_equal(recv(fd, &byte, 1, 0), 1, "recv");
  // Linux tells the success of a connect in progress once, then that there is a connection.
  (void)connect(fd, reinterpret_cast<const sockaddr*>(&server.address), sizeof server.address);
  expect_errno(
      connect(fd, reinterpret_cast<const sockaddr*>(&server.address), sizeof server.address),
      EISCONN, "connect of a connected socket");
  close(accepted);
  close(fd);
}

void connect_to_a_full_backlog() {
  const listener server(0); // has room for one connection that nobody has accepted
  const int first = server.connect_to();
  std::atomic<bool> connected{false};
  std::thread client([&] {
    const int fd = server.connect_to(); // its SYN is dropped, and sent again after a second
    connected.store(true);
    char byte = 0;
    expect_equal(recv(fd, &byte, 1, 0), 1, "served");
    close(fd);
  });
  usleep(150'000);
  expect(!connected.load(), "there is no room for a second one");
  int accepted = accept(server.fd, nullptr, nullptr);
  close(accepted);
  accepted = accept(server.fd, nullptr, nullptr);
  expect_equal(send(accepted, "x", 1, MSG_NOSIGNAL), 1, "send");
  client.join();
  expect(connected.load(), "connected once there was room");
  close(accepted);
  close(first);
}

void unix_listener() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "weft-conformance-" + std::to_string(getpid());
  name.copy(address.sun_path + 1, name.size()); // abstract: nothing to remove
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  expect_equal(bind(server, reinterpret_cast<sockaddr*>(&address), length), 0, "bind");
  expect_equal(listen(server, 1), 0, "listen");
  std::vector<std::thread> clients;
  for (int i = 0; i < 5; ++i)
    clients.emplace_back([&] {
      const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      expect_equal(connect(fd, reinterpret_cast<sockaddr*>(&address), length), 0, "connect");
      char byte = 0;
      expect_equal(read(fd, &byte, 1), 1, "read");
      close(fd);
    });
  let_others_block();
  for (int i = 0; i < 5; ++i) {
    const int fd = accept(server, nullptr, nullptr);
    expect_equal(write(fd, "u", 1), 1, "write");
    close(fd);
  }
  for (std::thread& client : clients)
    client.join();
  close(server);
}

// Where connect is left to the kernel each waits there: that is seldom, but never alone.
void hundreds_connect_in_vain() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "weft-conformance-vain-" + std::to_string(getpid());
  name.copy(address.sun_path + 1, name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  expect_equal(bind(server, reinterpret_cast<sockaddr*>(&address), length), 0, "bind");
  expect_equal(listen(server, 0), 0, "listen");
  const int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  expect_equal(connect(first, reinterpret_cast<sockaddr*>(&address), length), 0, "connect");
  std::atomic<int> refused{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 400; ++i)
    clients.emplace_back([&] {
      const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      expect_errno(connect(fd, reinterpret_cast<sockaddr*>(&address), length), ECONNREFUSED,
                   "connect");
      refused.fetch_add(1);
      close(fd);
    });
  clock::duration longest{};
  for (int i = 0; i < 50; ++i) {
    const stopwatch watch;
    usleep(1000);
    longest = std::max(longest, watch.elapsed());
  }
  expect(longest < 1500ms, "others go on");
  expect_equal(refused.load(), 0, "all wait");
  close(server);
  for (std::thread& client : clients)
    client.join();
  expect_equal(refused.load(), 400, "refused in the end");
  close(first);
}

void time_limits_of_sockets() {
  const tcp_pair pair;
  const listener server;
  std::thread([&] {
    const timeval limit{0, 80'000};
    setsockopt(pair.left, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(pair.left, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(server.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char byte = 0;
    const stopwatch watch;
    expect_errno(recv(pair.left, &byte, 1, 0), EAGAIN, "recv with SO_RCVTIMEO");
    watch.expect_between(75ms, 8s, "SO_RCVTIMEO");
    expect_errno(read(pair.left, &byte, 1), EAGAIN, "read with SO_RCVTIMEO");
    expect_errno(accept(server.fd, nullptr, nullptr), EAGAIN, "accept with SO_RCVTIMEO");
    const std::string much(16 << 20, 'x');
    const stopwatch sending;
    const ssize_t n = send(pair.left, much.data(), much.size(), 0);
    expect(n > 0 && n < static_cast<ssize_t>(much.size()), "send ends with what fitted");
    // The kernel may enlarge its buffers between two calls.
    ssize_t more = 0;
    while (more >= 0)
      more = send(pair.left, much.data(), much.size(), 0);
    expect_equal(errno, EAGAIN, "send with SO_SNDTIMEO");
    sending.expect_between(75ms, 10s, "SO_SNDTIMEO");
    timeval told{};
    socklen_t length = sizeof told;
    getsockopt(pair.left, SOL_SOCKET, SO_RCVTIMEO, &told, &length);
    expect(told.tv_sec == 0 && told.tv_usec >= 80'000 && told.tv_usec < 90'000, "as it was set");
    const timeval none{0, 0};
    setsockopt(pair.left, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
  }).join();
  std::thread reader([&] {
    char byte = 0;
    expect_equal(recv(pair.left, &byte, 1, 0), 1, "recv without a limit again");
  });
  usleep(150'000);
  expect_equal(send(pair.right, "x", 1, 0), 1, "send");
  reader.join();
}

void poll_a_listener() {
  const listener server;
  std::thread poller([&] {
    pollfd entry{server.fd, POLLIN, 0};
    expect_equal(poll(&entry, 1, 10'000), 1, "poll");
    expect_equal(entry.revents, POLLIN, "a connection is there");
    const int fd = accept(server.fd, nullptr, nullptr);
    expect(fd >= 0, "accept");
    close(fd);
    entry.revents = 0;
    expect_equal(poll(&entry, 1, 0), 0, "nothing left");
  });
  let_others_block();
  const int client = server.connect_to();
  poller.join();
  close(client);
}

void accept_on_what_does_not_listen() {
  std::thread([] {
    const pipe_pair pipe;
    const tcp_pair connected;
    int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    expect_errno(accept(pipe.reader, nullptr, nullptr), ENOTSOCK, "accept on a pipe");
    expect_errno(accept(connected.left, nullptr, nullptr), EINVAL, "accept on a connection");
    expect_errno(accept(datagrams, nullptr, nullptr), EOPNOTSUPP, "accept on datagrams");
    expect_errno(accept(fresh, nullptr, nullptr), EINVAL, "accept before listen");
    close_once(datagrams);
    close_once(fresh);
  }).join();
}

const checks registered{
    {"accept_waits", accept_waits},
    {"accept_flags", accept_flags},
    {"several_threads_accept", several_threads_accept},
    {"connect_refused", connect_refused},
    {"connect_without_blocking", connect_without_blocking},
    {"connect_to_a_full_backlog", connect_to_a_full_backlog},
    {"unix_listener", unix_listener},
    {"hundreds_connect_in_vain", hundreds_connect_in_vain},
    {"time_limits_of_sockets", time_limits_of_sockets},
    {"poll_a_listener", poll_a_listener},
    {"accept_on_what_does_not_listen", accept_on_what_does_not_listen},
};

} // namespace
