// SPDX-License-Identifier: BSL-1.0
// Nothing is lost although signals come every 200 us, buffers are small, and descriptors run out.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <vector>

namespace {

using namespace conformance;

std::atomic<int> signals_seen{0};

// SIGALRM every 200 us, to whichever thread takes it.
class storm {
 public:
  explicit storm(int flags) {
    struct sigaction action {};
    action.sa_handler = [](int) { signals_seen.fetch_add(1); };
    action.sa_flags = flags;
    sigaction(SIGALRM, &action, &before_);
    signals_seen.store(0);
    const itimerval every{{0, 200}, {0, 200}};
    setitimer(ITIMER_REAL, &every, nullptr);
  }
  storm(const storm&) = delete;
  storm& operator=(const storm&) = delete;
  ~storm() {
    const itimerval none{};
    setitimer(ITIMER_REAL, &none, nullptr);
    expect(signals_seen.load() > 20, "signals came");
    sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  struct sigaction before_ {};
};

char byte_at(std::size_t i) {
  return static_cast<char>(i * 13 + i / 255);
}

// As programs do it: interrupted calls are made again, short ones go on.
void write_whole(int fd, std::size_t size, std::size_t piece) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = byte_at(i);
  for (std::size_t at = 0; at < size;) {
    const ssize_t n = write(fd, bytes.data() + at, std::min(piece, size - at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail("write");
    at += static_cast<std::size_t>(n);
  }
}

void read_whole(int fd, std::size_t size, std::size_t piece) {
  std::size_t at = 0;
  std::size_t wrong = 0;
  std::vector<char> buffer(piece);
  while (at < size) {
    // No more than is asked for: the next may be there already.
    const ssize_t n = read(fd, buffer.data(), std::min(piece, size - at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail("read");
    for (ssize_t i = 0; i < n; ++i)
      wrong += buffer[static_cast<std::size_t>(i)] != byte_at(at++) ? 1 : 0;
  }
  expect_equal(at, size, "bytes");
  expect_equal(wrong, 0U, "wrong bytes");
}

void streams_in_a_storm(int flags) {
  const tcp_pair tcp; // a busy kernel lets connect wait, and be interrupted
  const socket_pair local;
  const pipe_pair pipe;
  const storm signals(flags);
  constexpr std::size_t size = 1 << 20;
  std::vector<std::thread> threads;
  threads.emplace_back([&] { write_whole(tcp.left, size, size); });
  threads.emplace_back([&] { read_whole(tcp.right, size, 20'000); });
  threads.emplace_back([&] { write_whole(tcp.right, size / 2, 10'000); });
  threads.emplace_back([&] { read_whole(tcp.left, size / 2, 3'000); });
  threads.emplace_back([&] { write_whole(local.left, size, size); });
  threads.emplace_back([&] { read_whole(local.right, size, 7'000); });
  threads.emplace_back([&] { write_whole(pipe.writer, size, size); });
  threads.emplace_back([&] { read_whole(pipe.reader, size, 5'000); });
  // Slow ones, who are interrupted while they wait.
  const pipe_pair slow;
  threads.emplace_back([&] {
    for (int i = 0; i < 30; ++i) {
      const stopwatch watch;
      while (watch.elapsed() < 2ms)
        sched_yield();
      write_whole(slow.writer, 10, 3);
    }
  });
  threads.emplace_back([&] {
    for (int i = 0; i < 30; ++i)
      read_whole(slow.reader, 10, 4);
  });
  for (std::thread& thread : threads)
    thread.join();
}

void streams_in_a_restarting_storm() {
  streams_in_a_storm(SA_RESTART);
}
void streams_in_an_interrupting_storm() {
  streams_in_a_storm(0);
}

void connections_in_a_storm() {
  const storm signals(SA_RESTART);
  const listener server;
  std::thread acceptor([&] {
    for (int i = 0; i < 60; ++i) {
      const int peer = accept4(server.fd, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer < 0) return fail("accept");
      write_whole(peer, 1000, 100);
      close(peer);
    }
  });
  std::vector<std::thread> clients;
  for (int c = 0; c < 3; ++c)
    clients.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const int fd = server.connect_to();
        read_whole(fd, 1000, 300);
        close(fd);
        usleep(500);
      }
    });
  for (std::thread& client : clients)
    client.join();
  acceptor.join();
}

// poll and epoll_wait are never restarted: each is made again with the time that is left.
void waiting_in_a_storm() {
  const storm signals(SA_RESTART);
  const pipe_pair pipe;
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event interest{EPOLLIN, {.fd = pipe.reader}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, pipe.reader, &interest);
  std::thread waiter([&] {
    for (int i = 0; i < 20; ++i) {
      int n = -1;
      pollfd entry{pipe.reader, POLLIN, 0};
      epoll_event event{};
      do
        n = i % 2 == 0 ? poll(&entry, 1, 20'000) : epoll_wait(epoll, &event, 1, 20'000);
      while (n < 0 && errno == EINTR);
      expect_equal(n, 1, "an event");
      char byte = 0;
      expect_equal(read(pipe.reader, &byte, 1), 1, "read");
    }
  });
  for (int i = 0; i < 20; ++i) {
    const stopwatch watch;
    while (watch.elapsed() < 5ms)
      sched_yield();
    write_whole(pipe.writer, 1, 1);
  }
  waiter.join();
  close(epoll);
}

void small_buffers() {
  tcp_pair tcp;
  socket_pair local;
  pipe_pair pipe;
  int least = 1;
  for (const int fd : {tcp.left, tcp.right, local.left, local.right}) {
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
  }
  fcntl(pipe.writer, F_SETPIPE_SZ, 4096);
  constexpr std::size_t size = 200'000;
  std::vector<std::thread> threads;
  // TCP with windows of a few hundred bytes waits for delayed acknowledgements all the time.
  threads.emplace_back([&] { write_whole(tcp.left, size / 20, size); });
  threads.emplace_back([&] { read_whole(tcp.right, size / 20, 20'000); });
  threads.emplace_back([&] { write_whole(local.left, size, size); });
  threads.emplace_back([&] { read_whole(local.right, size, 1'000); });
  threads.emplace_back([&] { write_whole(pipe.writer, size, size); });
  threads.emplace_back([&] { read_whole(pipe.reader, size, 10'000); });
  for (std::thread& thread : threads)
    thread.join();
}

void no_descriptor_left() {
  const listener server;
  std::vector<int> clients;
  for (int i = 0; i < 5; ++i)
    clients.push_back(server.connect_to());
  std::thread([&] {
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    rlimit few{80, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    std::vector<int> taken;
    for (int fd = 0; (fd = dup(server.fd)) >= 0;)
      taken.push_back(fd);
    expect_errno(accept(server.fd, nullptr, nullptr), EMFILE, "accept");
    expect_errno(socket(AF_INET, SOCK_STREAM, 0), EMFILE, "socket");
    int ends[2];
    expect_errno(pipe(ends), EMFILE, "pipe");
    for (const int client : clients) {
      close(taken.back());
      taken.pop_back();
      const int peer = accept(server.fd, nullptr, nullptr);
      expect(peer >= 0, "accept when there is room again: no connection is lost");
      expect_equal(send(client, "x", 1, 0), 1, "send");
      char byte = 0;
      expect_equal(recv(peer, &byte, 1, 0), 1, "recv");
      close(peer);
      taken.push_back(dup(server.fd));
    }
    for (const int fd : taken)
      close(fd);
    setrlimit(RLIMIT_NOFILE, &before);
  }).join();
  for (const int client : clients)
    close(client);
}

const checks registered{
    {"streams_in_a_restarting_storm", streams_in_a_restarting_storm},
    {"streams_in_an_interrupting_storm", streams_in_an_interrupting_storm},
    {"connections_in_a_storm", connections_in_a_storm},
    {"waiting_in_a_storm", waiting_in_a_storm},
    {"small_buffers", small_buffers},
    {"no_descriptor_left", no_descriptor_left},
};

} // namespace
