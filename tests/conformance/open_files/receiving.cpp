// SPDX-License-Identifier: BSL-1.0
// What a receiving call waits for: low-water marks, peeks and their offset, flags, time limits.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <atomic>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <vector>

namespace {

using namespace conformance;

void send_text(int fd, std::string_view text) {
  expect_equal(send(fd, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()), "send");
}

void low_water_mark() {
  const tcp_pair pair;
  int least = 6;
  expect_equal(setsockopt(pair.right, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least), 0, "set");
  std::thread reader([&] {
    char buffer[32] = {};
    expect_equal(recv(pair.right, buffer, sizeof buffer, 0), 6, "recv waits for the mark");
    expect_equal(std::string(buffer, 6), "abcdef", "the bytes");
    expect_equal(read(pair.right, buffer, 2), 2, "less is wanted than the mark");
    const iovec rooms[] = {{buffer, 3}, {buffer + 3, 20}};
    expect_equal(readv(pair.right, rooms, 2), 7, "readv waits for the mark");
    expect_equal(std::string(buffer, 7), "ijklmno", "the bytes");
  });
  for (const char* piece : {"ab", "cdef", "gh", "ij", "klmno"}) {
    let_others_block();
    send_text(pair.left, piece);
  }
  reader.join();
}

void low_water_mark_and_the_end() {
  const socket_pair pair;
  int least = 100;
  expect_equal(setsockopt(pair.right, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least), 0, "set");
  std::thread reader([&] {
    char buffer[200];
    expect_equal(recv(pair.right, buffer, sizeof buffer, 0), 5, "what came before the end");
    expect_equal(recv(pair.right, buffer, sizeof buffer, 0), 0, "the end");
  });
  let_others_block();
  send_text(pair.left, "abcde");
  let_others_block();
  shutdown(pair.left, SHUT_WR);
  reader.join();
}

void peek_offset() {
  const socket_pair pair;
  int offset = 0;
  expect_equal(setsockopt(pair.right, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset), 0, "set");
  std::thread reader([&] {
    char buffer[16] = {};
    expect_equal(recv(pair.right, buffer, 4, MSG_PEEK), 4, "the first peek");
    expect_equal(std::string(buffer, 4), "abcd", "the bytes");
    expect_equal(recv(pair.right, buffer, 4, MSG_PEEK), 2, "the rest");
    expect_equal(recv(pair.right, buffer, 4, MSG_PEEK), 3, "a peek that waits for more");
    expect_equal(std::string(buffer, 3), "ghi", "the bytes");
  });
  let_others_block();
  send_text(pair.left, "abcdef");
  let_others_block();
  send_text(pair.left, "ghi");
  reader.join();
  std::thread([&] {
    char buffer[16] = {};
    expect_equal(recv(pair.right, buffer, 16, 0), 9, "all is still there, without waiting");
  }).join();
}

// A peek that finds nothing beyond its offset says nothing about other reads.
void peek_beyond_and_another_reader() {
  const socket_pair pair;
  int offset = 3;
  expect_equal(setsockopt(pair.right, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset), 0, "set");
  send_text(pair.left, "abc");
  std::atomic<bool> peeked{false};
  std::thread peeker([&] {
    char byte = 0;
    expect_equal(recv(pair.right, &byte, 1, MSG_PEEK), 1, "peek");
    peeked.store(true);
  });
  let_others_block();
  expect(!peeked.load(), "it waits");
  char byte = 0;
  expect_equal(recv(pair.right, &byte, 1, 0), 1, "another reader need not wait");
  expect_equal(byte, 'a', "the byte");
  let_others_block();
  send_text(pair.left, "defg");
  peeker.join();
}

void peek_for_all() {
  const tcp_pair pair;
  std::thread reader([&] {
    char buffer[16] = {};
    expect_equal(recv(pair.right, buffer, 8, MSG_PEEK | MSG_WAITALL), 8, "peek of all");
    expect_equal(std::string(buffer, 8), "abcdefgh", "the bytes");
    expect_equal(recv(pair.right, buffer, 8, 0), 8, "they are still there");
    expect_equal(recv(pair.right, buffer, 8, MSG_PEEK | MSG_WAITALL), 3,
                 "what came before the end");
    expect_equal(recv(pair.right, buffer, 8, MSG_WAITALL), 3, "read");
  });
  for (const char* piece : {"abc", "def", "gh"}) {
    let_others_block();
    send_text(pair.left, piece);
  }
  let_others_block();
  send_text(pair.left, "end");
  let_others_block();
  shutdown(pair.left, SHUT_WR);
  reader.join();
}

void all_of_several_parts() {
  const tcp_pair pair;
  std::thread reader([&] {
    char a[5] = {};
    char b[6] = {};
    const iovec rooms[] = {{a, 5}, {b, 6}};
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(rooms);
    message.msg_iovlen = 2;
    expect_equal(recvmsg(pair.right, &message, MSG_WAITALL), 11, "recvmsg of all");
    expect_equal(std::string(a, 5) + std::string(b, 6), "hello world", "the bytes");
  });
  for (const char* piece : {"hel", "lo w", "or", "ld"}) {
    let_others_block();
    send_text(pair.left, piece);
  }
  reader.join();
}

void time_limit_and_all() {
  const tcp_pair pair;
  const timeval limit{0, 150'000};
  setsockopt(pair.right, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::thread([&] {
    send_text(pair.left, "abc");
    char buffer[16];
    const stopwatch watch;
    expect_equal(recv(pair.right, buffer, 10, MSG_WAITALL), 3, "what came within the time");
    watch.expect_between(145ms, 10s, "the time limit");
  }).join();
}

// The limit of a call is the one that held when it began to wait.
void time_limit_changed_meanwhile() {
  const tcp_pair pair;
  std::atomic<bool> returned{false};
  std::thread reader([&] {
    char byte = 0;
    expect_equal(recv(pair.right, &byte, 1, 0), 1, "recv");
    returned.store(true);
  });
  let_others_block();
  const timeval limit{0, 50'000};
  setsockopt(pair.right, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::this_thread::sleep_for(200ms);
  expect(!returned.load(), "a limit for later calls");
  send_text(pair.left, "x");
  reader.join();
  char byte = 0;
  std::thread([&] { expect_errno(recv(pair.right, &byte, 1, 0), EAGAIN, "a later call"); }).join();
}

// A socket's call waits on although O_NONBLOCK is set meanwhile.
void nonblocking_set_meanwhile() {
  const tcp_pair pair;
  std::atomic<bool> returned{false};
  std::thread reader([&] {
    char all[4];
    expect_equal(recv(pair.right, all, 4, MSG_WAITALL), 4, "recv");
    returned.store(true);
    expect_errno(recv(pair.right, all, 4, 0), EAGAIN, "the next one");
  });
  let_others_block();
  int on = 1;
  expect_equal(ioctl(pair.right, FIONBIO, &on), 0, "FIONBIO");
  send_text(pair.left, "ab");
  let_others_block();
  expect(!returned.load(), "it waits on");
  send_text(pair.left, "cd");
  reader.join();
  on = 0;
  ioctl(pair.right, FIONBIO, &on);
}

void nonblocking_cleared_by_another_thread() {
  const socket_pair pair;
  fcntl(pair.right, F_SETFL, O_NONBLOCK);
  std::thread([&] {
    char byte = 0;
    expect_errno(recv(pair.right, &byte, 1, 0), EAGAIN, "recv");
    fcntl(pair.right, F_SETFL, 0);
  }).join();
  std::thread reader([&] {
    char byte = 0;
    expect_equal(recv(pair.right, &byte, 1, 0), 1, "recv waits now");
  });
  let_others_block();
  send_text(pair.left, "x");
  reader.join();
}

void urgent_byte() {
  const tcp_pair pair;
  std::thread reader([&] {
    char buffer[16] = {};
    pollfd entry{pair.right, POLLPRI, 0};
    expect_equal(poll(&entry, 1, 20'000), 1, "poll for the urgent byte");
    expect_equal(recv(pair.right, buffer, 16, 0), 3, "up to the mark");
    int at_mark = 0;
    ioctl(pair.right, SIOCATMARK, &at_mark);
    expect_equal(at_mark, 1, "at the mark");
    expect_equal(recv(pair.right, buffer, 1, MSG_OOB), 1, "the urgent byte");
    expect_equal(buffer[0], '!', "the byte");
    expect_errno(recv(pair.right, buffer, 1, MSG_OOB), EINVAL, "once");
    expect_equal(recv(pair.right, buffer, 16, 0), 3, "what follows");
    expect_equal(std::string(buffer, 3), "def", "the bytes");
  });
  let_others_block();
  send_text(pair.left, "abc");
  expect_equal(send(pair.left, "!", 1, MSG_OOB), 1, "send of an urgent byte");
  let_others_block();
  send_text(pair.left, "def");
  reader.join();
}

void half_closed_both_ways() {
  const tcp_pair pair;
  std::thread left([&] {
    shutdown(pair.left, SHUT_WR);
    char buffer[8];
    expect_equal(recv(pair.left, buffer, 8, MSG_WAITALL), 6, "what the other still sends");
    expect_equal(recv(pair.left, buffer, 8, 0), 0, "the end");
  });
  char buffer[8];
  expect_equal(recv(pair.right, buffer, 8, 0), 0, "the end");
  send_text(pair.right, "abc");
  let_others_block();
  send_text(pair.right, "def");
  shutdown(pair.right, SHUT_WR);
  left.join();
}

void shutdown_wakes_everybody() {
  const tcp_pair pair;
  const tcp_pair other;
  const listener server;
  std::vector<std::thread> threads;
  threads.emplace_back(
      [&] { expect_errno(accept(server.fd, nullptr, nullptr), EINVAL, "accept"); });
  threads.emplace_back([&] {
    pollfd entry{pair.right, POLLIN | POLLRDHUP, 0};
    expect_equal(poll(&entry, 1, 20'000), 1, "poll");
    expect(entry.revents == (POLLIN | POLLRDHUP), "readable, and at its end");
  });
  threads.emplace_back([&] {
    char buffer[8];
    expect_equal(recv(pair.right, buffer, 8, MSG_WAITALL), 0, "recv");
  });
  threads.emplace_back([&] {
    const std::string much(16 << 20, 'x');
    ssize_t n = 0;
    while (n >= 0)
      n = send(other.left, much.data(), much.size(), MSG_NOSIGNAL);
    expect_equal(errno, EPIPE, "send");
  });
  std::this_thread::sleep_for(100ms);
  shutdown(server.fd, SHUT_RD);
  shutdown(pair.right, SHUT_RD);
  shutdown(other.left, SHUT_WR);
  for (std::thread& thread : threads)
    thread.join();
}

void vectors_with_flags() {
  const pipe_pair pipe;
  std::thread reader([&] {
    char a[3] = {};
    char b[8] = {};
    const iovec rooms[] = {{a, 3}, {b, 8}};
    expect_equal(preadv2(pipe.reader, rooms, 2, -1, 0), 8, "preadv2 waits");
    expect_equal(std::string(a, 3) + std::string(b, 5), "some,any", "the bytes");
    expect_errno(preadv2(pipe.reader, rooms, 2, -1, RWF_NOWAIT), EAGAIN, "RWF_NOWAIT");
    expect_errno(preadv2(pipe.reader, rooms, 2, 0, 0), ESPIPE, "with a position");
    expect_errno(preadv(pipe.reader, rooms, 2, 0), ESPIPE, "preadv");
    expect_errno(preadv2(pipe.reader, rooms, 2, -1, 1 << 30), EOPNOTSUPP, "unknown flags");
  });
  let_others_block();
  char a[] = "some";
  char b[] = ",any";
  const iovec parts[] = {{a, 4}, {b, 4}};
  expect_equal(pwritev2(pipe.writer, parts, 2, -1, 0), 8, "pwritev2");
  reader.join();
}

const checks registered{
    {"low_water_mark", low_water_mark},
    {"low_water_mark_and_the_end", low_water_mark_and_the_end},
    {"peek_offset", peek_offset},
    {"peek_beyond_and_another_reader", peek_beyond_and_another_reader},
    {"peek_for_all", peek_for_all},
    {"all_of_several_parts", all_of_several_parts},
    {"time_limit_and_all", time_limit_and_all},
    {"time_limit_changed_meanwhile", time_limit_changed_meanwhile},
    {"nonblocking_set_meanwhile", nonblocking_set_meanwhile},
    {"nonblocking_cleared_by_another_thread", nonblocking_cleared_by_another_thread},
    {"urgent_byte", urgent_byte},
    {"half_closed_both_ways", half_closed_both_ways},
    {"shutdown_wakes_everybody", shutdown_wakes_everybody},
    {"vectors_with_flags", vectors_with_flags},
};

} // namespace
