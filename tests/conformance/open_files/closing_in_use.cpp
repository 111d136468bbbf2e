// SPDX-License-Identifier: BSL-1.0
// A descriptor that is closed or replaced while calls on it are under way: they go on with the open
// file, and whoever looks at the number again finds what it is now.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <vector>

namespace {

using namespace conformance;

void poll_goes_on() {
  pipe_pair pipe;
  std::atomic<bool> returned{false};
  std::thread waiter([&, fd = pipe.reader] {
    pollfd entry{fd, POLLIN, 0};
    expect_equal(poll(&entry, 1, 20'000), 1, "poll");
    returned.store(true);
    expect_equal(entry.revents, POLLNVAL, "the number is closed when it is looked at again");
  });
  let_others_block();
  close_once(pipe.reader);
  let_others_block();
  expect(!returned.load(), "closing wakes nobody");
  expect_equal(write(pipe.writer, "x", 1), 1, "the reading end is still open");
  waiter.join();
}

void poll_ends_by_its_time_limit() {
  pipe_pair pipe;
  std::thread waiter([fd = pipe.reader] {
    pollfd entry{fd, POLLIN, 0};
    const stopwatch watch;
    expect_equal(poll(&entry, 1, 200), 1, "poll");
    watch.expect_between(190ms, 10s, "the time limit");
    expect_equal(entry.revents, POLLNVAL, "the last look");
  });
  let_others_block();
  close_once(pipe.reader);
  waiter.join();
}

void poll_of_a_replaced_number() {
  pipe_pair old;
  const pipe_pair fresh;
  std::atomic<bool> returned{false};
  std::thread waiter([&, fd = old.reader] {
    pollfd entry{fd, POLLIN, 0};
    expect_equal(poll(&entry, 1, 20'000), 1, "poll");
    returned.store(true);
    expect_equal(entry.revents, POLLIN, "of what the number is now");
  });
  let_others_block();
  expect_equal(dup2(fresh.reader, old.reader), old.reader, "dup2");
  expect_equal(write(fresh.writer, "f", 1), 1, "write to the new one");
  let_others_block();
  expect(!returned.load(), "it waits for the old file");
  expect_equal(write(old.writer, "o", 1), 1, "write to the old one");
  waiter.join();
}

void several_polls_and_a_reader() {
  pipe_pair pipe;
  std::atomic<int> ended{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&, fd = pipe.reader] {
      pollfd entries[2] = {{-1, POLLIN, 0}, {fd, POLLIN, 0}};
      expect_equal(poll(entries, 2, 20'000), 1, "poll");
      ended.fetch_add(1);
    });
  threads.emplace_back([&, fd = pipe.reader] {
    char byte = 0;
    expect_equal(read(fd, &byte, 1), 1, "read");
    ended.fetch_add(1);
  });
  let_others_block();
  close_once(pipe.reader);
  let_others_block();
  expect_equal(ended.load(), 0, "nobody was woken");
  expect_equal(write(pipe.writer, "x", 1), 1, "write");
  for (std::thread& thread : threads)
    thread.join();
  signal(SIGPIPE, SIG_IGN);
  expect_errno(write(pipe.writer, "x", 1), EPIPE, "now the reading end is closed");
}

void select_goes_on() {
  pipe_pair pipe;
  const pipe_pair other;
  std::atomic<bool> returned{false};
  std::thread waiter([&, fd = pipe.reader] {
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(fd, &readable);
    FD_SET(other.reader, &readable);
    timeval limit{20, 0};
    const int all = std::max(fd, other.reader) + 1;
    expect_equal(select(all, &readable, nullptr, nullptr, &limit), 1, "select");
    returned.store(true);
    expect(FD_ISSET(fd, &readable) != 0, "a closed number counts as ready");
  });
  let_others_block();
  close_once(pipe.reader);
  let_others_block();
  expect(!returned.load(), "closing wakes nobody");
  expect_equal(write(pipe.writer, "x", 1), 1, "write");
  waiter.join();
}

void epoll_wait_goes_on() {
  const pipe_pair pipe;
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event interest{EPOLLIN, {.fd = 4711}};
  expect_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pipe.reader, &interest), 0, "epoll_ctl");
  std::thread waiter([epoll] {
    epoll_event event{};
    expect_equal(epoll_wait(epoll, &event, 1, 20'000), 1, "epoll_wait under way");
    expect_equal(event.data.fd, 4711, "the event");
    expect_errno(epoll_wait(epoll, &event, 1, 0), EBADF, "the next epoll_wait");
  });
  let_others_block();
  close_once(epoll);
  let_others_block();
  expect_equal(write(pipe.writer, "x", 1), 1, "write");
  waiter.join();
}

void accept_goes_on() {
  listener server;
  std::thread waiter([fd = server.fd] {
    const int peer = accept(fd, nullptr, nullptr);
    expect(peer >= 0, "accept under way");
    char byte = 0;
    expect_equal(recv(peer, &byte, 1, 0), 1, "recv");
    expect_equal(recv(peer, &byte, 1, 0), 0, "the client, which had the number, is closed");
    close(peer);
    expect_errno(accept(fd, nullptr, nullptr), EBADF, "the next accept");
  });
  let_others_block();
  const int number = server.fd;
  close_once(server.fd);
  const int client = server.connect_to();
  expect_equal(client, number, "the number is given again");
  expect_equal(send(client, "x", 1, 0), 1, "send");
  close(client);
  waiter.join();
}

// With a full backlog the connection waits for the next attempt of TCP's, a second later.
void connect_goes_on() {
  const listener server(0);
  std::vector<int> others;
  for (int i = 0; i < 2; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)connect(fd, reinterpret_cast<const sockaddr*>(&server.address), sizeof server.address);
    others.push_back(fd);
  }
  usleep(10'000);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::atomic<bool> connected{false};
  std::thread connecting([&, fd] {
    expect_equal(
        connect(fd, reinterpret_cast<const sockaddr*>(&server.address), sizeof server.address), 0,
        "connect under way");
    char byte = 0;
    expect_errno(recv(fd, &byte, 1, 0), ENOTSOCK, "the number is another file's");
    connected.store(true);
  });
  let_others_block();
  const pipe_pair fresh;
  expect_equal(dup2(fresh.reader, fd), fd, "dup2");
  while (!connected.load()) {
    pollfd entry{server.fd, POLLIN, 0};
    if (poll(&entry, 1, 20) == 1) others.push_back(accept(server.fd, nullptr, nullptr));
  }
  connecting.join();
  close_once(fd);
  for (const int other : others)
    close(other);
}

void connect_again_after_a_refusal() {
  std::thread([] {
    sockaddr_in nobody{};
    {
      const listener gone;
      nobody = gone.address;
    }
    const listener server;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (int i = 0; i < 2; ++i)
      expect_errno(connect(fd, reinterpret_cast<sockaddr*>(&nobody), sizeof nobody), ECONNREFUSED,
                   "connect");
    expect_equal(
        connect(fd, reinterpret_cast<const sockaddr*>(&server.address), sizeof server.address), 0,
        "connect of the same socket to somebody else");
    expect_errno(
        connect(fd, reinterpret_cast<const sockaddr*>(&server.address), sizeof server.address),
        EISCONN, "connect of a connected socket");
    close(accept(server.fd, nullptr, nullptr));
    close(fd);
  }).join();
}

void receiving_goes_on_in_parts() {
  tcp_pair pair;
  std::thread reader([fd = pair.right] {
    char all[12];
    expect_equal(recv(fd, all, sizeof all, MSG_WAITALL), 12, "recv of all");
    expect_equal(std::string(all, 12), "onetwothree!", "the bytes");
  });
  let_others_block();
  expect_equal(send(pair.left, "one", 3, 0), 3, "send");
  let_others_block();
  const pipe_pair fresh;
  expect_equal(dup2(fresh.writer, pair.right), pair.right, "dup2");
  expect_equal(send(pair.left, "two", 3, 0), 3, "send");
  let_others_block();
  expect_equal(send(pair.left, "three!", 6, 0), 6, "send");
  reader.join();
}

void sending_goes_on_in_parts() {
  tcp_pair pair;
  constexpr std::size_t size = 8 << 20;
  std::thread writer([fd = pair.left] {
    const std::string much(size, 'x');
    expect_equal(write(fd, much.data(), size), static_cast<ssize_t>(size), "write of all");
  });
  pollfd begun{pair.right, POLLIN, 0};
  expect_equal(poll(&begun, 1, -1), 1, "the first part came");
  let_others_block();
  close_once(pair.left);
  std::size_t got = 0;
  std::vector<char> buffer(200'000);
  for (ssize_t n = 0; (n = recv(pair.right, buffer.data(), buffer.size(), 0)) > 0;)
    got += static_cast<std::size_t>(n);
  expect_equal(got, size, "all came, and then the end");
  writer.join();
}

// The reader is awake, but has perhaps not had its turn, when the number is given to another file.
void replaced_while_waking() {
  for (int round = 0; round < 50; ++round) {
    pipe_pair old;
    const pipe_pair fresh;
    expect_equal(write(fresh.writer, "n", 1), 1, "write");
    std::atomic<bool> began{false};
    std::thread reader([&, fd = old.reader] {
      began.store(true);
      char byte = 0;
      expect_equal(read(fd, &byte, 1), 1, "read");
      expect_equal(byte, 'o', "from the file with which it began");
    });
    wait_until([&] { return began.load(); }, "the reader begins");
    usleep(5000);
    const int peek = dup(old.reader); // only to keep the writing end from SIGPIPE
    expect_equal(write(old.writer, "o", 1), 1, "write");
    expect_equal(dup2(fresh.reader, old.reader), old.reader, "dup2");
    reader.join();
    close(peek);
  }
}

void no_room_for_a_duplicate() {
  // Every number is in use when a descriptor with a reader is closed.
  pipe_pair pipe;
  std::thread reader([fd = pipe.reader] {
    char byte = 0;
    expect_equal(read(fd, &byte, 1), 1, "read");
  });
  let_others_block();
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit few{64, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &few);
  std::vector<int> all;
  for (int fd = 0; (fd = dup(pipe.writer)) >= 0;)
    all.push_back(fd);
  expect_equal(errno, EMFILE, "no number is left");
  close_once(pipe.reader);
  let_others_block();
  expect_equal(write(pipe.writer, "x", 1), 1, "write");
  reader.join();
  for (const int fd : all)
    close(fd);
  setrlimit(RLIMIT_NOFILE, &before);
}

// The reader is in the middle of its call for certain: it has taken the first byte of two.
void replaced_while_a_reader_goes_on() {
  const socket_pair other;
  expect_equal(write(other.right, "xx", 2), 2, "what nobody is to read");
  for (int i = 0; i < 500; ++i) {
    const socket_pair pair;
    char got[2] = {'-', '-'};
    std::thread reader(
        [&, fd = pair.left] { expect_equal(recv(fd, got, 2, MSG_WAITALL), 2, "recv"); });
    expect_equal(write(pair.right, "1", 1), 1, "write");
    int left = 1;
    while (ioctl(pair.left, FIONREAD, &left) == 0 && left > 0)
      sched_yield();
    expect_equal(write(pair.right, "2", 1), 1, "write");
    dup2(other.left, pair.left);
    reader.join();
    if (got[0] != '1' || got[1] != '2') return fail("it read of another file");
  }
}

const checks registered{
    {"poll_goes_on", poll_goes_on},
    {"poll_ends_by_its_time_limit", poll_ends_by_its_time_limit},
    {"poll_of_a_replaced_number", poll_of_a_replaced_number},
    {"several_polls_and_a_reader", several_polls_and_a_reader},
    {"select_goes_on", select_goes_on},
    {"epoll_wait_goes_on", epoll_wait_goes_on},
    {"accept_goes_on", accept_goes_on},
    {"connect_goes_on", connect_goes_on},
    {"connect_again_after_a_refusal", connect_again_after_a_refusal},
    {"receiving_goes_on_in_parts", receiving_goes_on_in_parts},
    {"sending_goes_on_in_parts", sending_goes_on_in_parts},
    {"replaced_while_waking", replaced_while_waking},
    {"replaced_while_a_reader_goes_on", replaced_while_a_reader_goes_on},
    {"no_room_for_a_duplicate", no_room_for_a_duplicate},
};

} // namespace
