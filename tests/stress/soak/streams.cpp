// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/soak/scene.hpp"

#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace {

using namespace soak;

long checked(long result, const char* what,
             std::source_location where = std::source_location::current()) {
  if (result < 0) fail(what, -errno, 0, where);
  return result;
}

/// Bytes through pipes and socket pairs, with sizes that do not fit at once.
void pipes(chance& c) {
  const int pairs = c.between(1, 12);
  std::vector<thread> all;
  for (int i = 0; i < pairs; ++i) {
    int ends[2];
    if (c.one_in(2))
      checked(pipe(ends), "pipe");
    else
      checked(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    const auto seed = c.next();
    const auto size = static_cast<std::size_t>(c.between(1, c.one_in(5) ? 1'000'000 : 60'000));
    const int from = ends[0], to = ends[1];
    all.emplace_back([=, own = c.split()]() mutable {
      read_stream(from, seed, size, own);
      char more = 0;
      expect_equal(uninterrupted([&] { return read(from, &more, 1); }), 0, "end of the stream");
      close(from);
    });
    all.emplace_back([=, own = c.split()]() mutable {
      write_stream(to, seed, size, own);
      close(to);
    });
  }
}

/// Several threads write lines into one pipe; none is torn.
void lines_in_one_pipe(chance& c) {
  const int writers = c.between(2, 10);
  const int each = c.between(1, 300);
  int ends[2];
  checked(pipe(ends), "pipe");
  long sum = 0;
  thread reader([&] {
    for (;;) {
      long line[8];
      std::size_t got = 0;
      while (got < sizeof line) {
        const ssize_t n = uninterrupted(
            [&] { return read(ends[0], reinterpret_cast<char*>(line) + got, sizeof line - got); });
        checked(n, "read of a line");
        if (n == 0) break;
        got += static_cast<std::size_t>(n);
      }
      if (got == 0) return;
      expect_equal(static_cast<long>(got), sizeof line, "a whole line");
      for (const long word : line)
        expect_equal(word, line[0], "a word of a line");
      sum += line[0];
    }
  });
  {
    std::vector<thread> all;
    for (int i = 1; i <= writers; ++i)
      all.emplace_back([&, i, own = c.split()]() mutable {
        const long line[8] = {i, i, i, i, i, i, i, i};
        for (int n = 0; n < each; ++n) {
          const ssize_t written = uninterrupted([&] { return write(ends[1], line, sizeof line); });
          expect_equal(written, sizeof line, "a small write into a pipe");
          if (own.one_in(10)) dawdle(own);
        }
      });
  }
  close(ends[1]);
  reader.join();
  close(ends[0]);
  expect_equal(sum, long{writers} * (writers + 1) / 2 * each, "the lines' sum");
}

void wait_readable(int fd, chance& c) {
  switch (c.between(0, 4)) {
  case 0: {
    pollfd wanted{fd, POLLIN, 0};
    expect_equal(uninterrupted([&] { return poll(&wanted, 1, -1); }), 1, "poll");
    break;
  }
  case 1: {
    const int set = static_cast<int>(checked(epoll_create1(0), "epoll_create"));
    epoll_event event{};
    event.events = EPOLLIN | (c.one_in(2) ? EPOLLET : 0U);
    checked(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    expect_equal(uninterrupted([&] { return epoll_wait(set, &event, 1, -1); }), 1, "epoll_wait");
    close(set);
    break;
  }
  case 2:
    if (fd < FD_SETSIZE) {
      fd_set set;
      do {
        FD_ZERO(&set);
        FD_SET(fd, &set);
      } while (select(fd + 1, &set, nullptr, nullptr, nullptr) < 0 && was_interrupted());
      expect_equal(FD_ISSET(fd, &set) ? 1 : 0, 1, "select");
    }
    break;
  default:
    break; // the read waits
  }
}

/// An echo server with a thread for each connection, and its clients.
void echo(chance& c) {
  const int listener = static_cast<int>(checked(socket(AF_INET, SOCK_STREAM, 0), "socket"));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  checked(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
  checked(listen(listener, 128), "listen");
  socklen_t length = sizeof address;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  const int clients = c.between(1, c.one_in(10) ? 60 : 15);
  const int messages = c.between(1, 20);
  std::atomic<long> served{0}, echoed{0};
  thread acceptor([&, own = c.split()]() mutable {
    std::vector<thread> all;
    for (int i = 0; i < clients; ++i) {
      if (own.one_in(4)) wait_readable(listener, own);
      const int fd = static_cast<int>(
          checked(uninterrupted([&] { return accept(listener, nullptr, nullptr); }), "accept"));
      all.emplace_back([&served, fd, mine = own.split()]() mutable {
        char buffer[4096];
        for (;;) {
          wait_readable(fd, mine);
          const ssize_t got = uninterrupted([&] { return recv(fd, buffer, sizeof buffer, 0); });
          checked(got, "recv");
          if (got == 0) break;
          write_all(fd, buffer, static_cast<std::size_t>(got));
        }
        close(fd);
        ++served;
      });
    }
  });
  {
    std::vector<thread> all;
    for (int i = 0; i < clients; ++i)
      all.emplace_back([&, own = c.split()]() mutable {
        const int fd = static_cast<int>(checked(socket(AF_INET, SOCK_STREAM, 0), "socket"));
        int connected = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
        if (connected < 0 && errno == EINTR) { // goes on by itself
          pollfd wanted{fd, POLLOUT, 0};
          uninterrupted([&] { return poll(&wanted, 1, -1); });
          socklen_t size = sizeof connected;
          getsockopt(fd, SOL_SOCKET, SO_ERROR, &connected, &size);
        }
        checked(connected, "connect");
        for (int n = 0; n < messages; ++n) {
          const auto seed = own.next();
          const auto size = static_cast<std::size_t>(own.between(1, own.one_in(10) ? 20'000 : 500));
          write_stream(fd, seed, size, own);
          wait_readable(fd, own);
          read_stream(fd, seed, size, own);
          ++echoed;
        }
        close(fd);
      });
  }
  acceptor.join();
  close(listener);
  expect_equal(served, clients, "connections served");
  expect_equal(echoed, long{clients} * messages, "messages echoed");
}

/// Datagrams of a socket pair keep their bounds and their number.
void datagrams(chance& c) {
  int ends[2];
  checked(socketpair(AF_UNIX, c.one_in(2) ? SOCK_DGRAM : SOCK_SEQPACKET, 0, ends), "socketpair");
  const int senders = c.between(1, 6), receivers = c.between(1, 4);
  const int each = c.between(1, 200);
  std::atomic<long> sum{0}, count{0};
  const auto send_one = [&](long value) {
    long message[16];
    std::memset(message, 0, sizeof message);
    message[0] = value;
    const auto size = sizeof(long) * static_cast<std::size_t>(1 + value % 16);
    expect_equal(uninterrupted([&] { return send(ends[1], message, size, 0); }),
                 static_cast<long>(size), "send of a datagram");
  };
  std::vector<thread> eaters;
  for (int i = 0; i < receivers; ++i)
    eaters.emplace_back([&, own = c.split()]() mutable {
      for (;;) {
        long message[16];
        const ssize_t got = checked(
            uninterrupted([&] { return recv(ends[0], message, sizeof message, 0); }), "recv");
        if (message[0] == 0) return;
        expect_equal(got, static_cast<long>(sizeof(long)) * (1 + message[0] % 16),
                     "a datagram's size");
        sum += message[0];
        ++count;
        if (own.one_in(10)) dawdle(own);
      }
    });
  {
    std::vector<thread> makers;
    for (int i = 0; i < senders; ++i)
      makers.emplace_back([&, own = c.split()]() mutable {
        for (long n = 1; n <= each; ++n) {
          send_one(n);
          if (own.one_in(10)) dawdle(own);
        }
      });
  }
  for (int i = 0; i < receivers; ++i)
    send_one(0);
  eaters.clear();
  close(ends[0]);
  close(ends[1]);
  expect_equal(count, long{senders} * each, "datagrams");
  expect_equal(sum, long{senders} * each * (each + 1) / 2, "the datagrams' sum");
}

/// An eventfd that counts, and timers that expire as often as they should.
void counting_descriptors(chance& c) {
  const int fd = static_cast<int>(checked(eventfd(0, EFD_SEMAPHORE), "eventfd"));
  const int adders = c.between(1, 8), takers = c.between(1, 8);
  const int each = c.between(1, 200) * takers;
  std::atomic<long> taken{0};
  {
    std::vector<thread> all;
    for (int i = 0; i < takers; ++i)
      all.emplace_back([&, own = c.split()]() mutable {
        for (int n = 0; n < adders * each / takers; ++n) {
          std::uint64_t value = 0;
          if (takers == 1 && own.one_in(4)) wait_readable(fd, own);
          read_all(fd, &value, sizeof value);
          taken += static_cast<long>(value);
          if (own.one_in(20)) dawdle(own);
        }
      });
    for (int i = 0; i < adders; ++i)
      all.emplace_back([&, own = c.split()]() mutable {
        for (int n = 0; n < each; ++n) {
          const std::uint64_t one = 1;
          write_all(fd, &one, sizeof one);
          if (own.one_in(20)) dawdle(own);
        }
      });
    all.emplace_back([&, own = c.split()]() mutable {
      const int timer = static_cast<int>(checked(timerfd_create(CLOCK_MONOTONIC, 0), "timerfd"));
      const itimerspec interval{{0, 1'000'000}, {0, 1'000'000}};
      timerfd_settime(timer, 0, &interval, nullptr);
      std::uint64_t expired = 0;
      for (const auto wanted = static_cast<std::uint64_t>(own.between(1, 20)); expired < wanted;) {
        std::uint64_t more = 0;
        read_all(timer, &more, sizeof more);
        expect_at_least(static_cast<long>(more), 1, "expirations of a timer that was readable");
        expired += more;
      }
      close(timer);
    });
  }
  expect_equal(taken, long{adders} * each, "what was taken from an eventfd");
  close(fd);
}

const scenes registered{
    {"pipes", pipes},         {"lines_in_one_pipe", lines_in_one_pipe},       {"echo", echo},
    {"datagrams", datagrams}, {"counting_descriptors", counting_descriptors},
};

} // namespace
