// SPDX-License-Identifier: BSL-1.0
// Descriptors that are closed, duplicated, inherited and numbered again while others use them.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"
#include "tests/conformance/processes/child.hpp"

#include <atomic>
#include <poll.h>
#include <sys/resource.h>
#include <vector>

namespace {

using namespace conformance;

void close_of_a_duplicate() {
  tcp_pair pair;
  int duplicate = dup(pair.right);
  std::thread reader([&] {
    char byte = 0;
    expect_equal(recv(pair.right, &byte, 1, 0), 1, "recv after the duplicate was closed");
    expect_equal(byte, 'a', "the byte");
  });
  let_others_block();
  close_once(duplicate);
  let_others_block();
  expect_equal(send(pair.left, "a", 1, 0), 1, "send");
  reader.join();
}

void close_of_the_first_of_two() {
  tcp_pair pair;
  const int duplicate = dup(pair.right);
  char byte = 0;
  std::thread([&] { // uses the number that is closed below
    expect_equal(send(pair.left, "a", 1, 0), 1, "send");
    expect_equal(recv(pair.right, &byte, 1, 0), 1, "recv");
  })
      .join();
  const int number = pair.right;
  close_once(pair.right);
  std::thread reader(
      [&] { expect_equal(recv(duplicate, &byte, 1, 0), 1, "recv of the duplicate"); });
  let_others_block();
  expect_equal(send(pair.left, "b", 1, 0), 1, "send");
  reader.join();
  expect_equal(byte, 'b', "the byte");
  expect_errno(recv(number, &byte, 1, MSG_DONTWAIT), EBADF, "the closed number");
  close(duplicate);
}

void close_while_a_child_holds_it() {
  tcp_pair pair;
  const pipe_pair gate;
  char byte = 0;
  std::thread([&] {
    expect_equal(send(pair.left, "a", 1, 0), 1, "send");
    expect_equal(recv(pair.right, &byte, 1, 0), 1, "recv");
  }).join();
  const pid_t child = in_child([&] {
    char c = 0;
    return read(gate.reader, &c, 1) == 1 ? 0 : 1;
  });
  const int number = pair.right;
  close_once(
      pair.right); // the child still has it: the connection lives, this process is done with it
  const pipe_pair fresh;
  expect_equal(fresh.reader, number, "the number is given again");
  std::atomic<bool> returned{false};
  std::thread reader([&] {
    char c = 0;
    expect_equal(read(fresh.reader, &c, 1), 1, "read of what has the number now");
    returned.store(true);
    expect_equal(c, 'f', "the byte");
  });
  let_others_block();
  expect_equal(send(pair.left, "stale", 5, 0), 5, "send to the old connection");
  let_others_block();
  expect(!returned.load(), "the old connection's data wakes nobody");
  expect_equal(write(fresh.writer, "f", 1), 1, "write");
  reader.join();
  expect_equal(write(gate.writer, "x", 1), 1, "write");
  expect_equal(status_of(child), "exited 0", "the child");
}

void numbers_are_reused_at_once() {
  for (int round = 0; round < 30; ++round) {
    pipe_pair old;
    const int number = old.reader;
    char byte = 0;
    std::thread([&] {
      expect_equal(write(old.writer, "o", 1), 1, "write");
      expect_equal(read(old.reader, &byte, 1), 1, "read");
    }).join();
    close_once(old.reader);
    close_once(old.writer);
    const socket_pair fresh;
    const int used = fresh.left == number ? fresh.left : fresh.right;
    const int other = fresh.left == number ? fresh.right : fresh.left;
    std::thread reader([&, used] {
      char c = 0;
      expect_equal(read(used, &c, 1), 1, "read of the new descriptor");
      expect_equal(c, 'n', "the byte");
    });
    if (round % 3 == 0) usleep(2000);
    expect_equal(write(other, "n", 1), 1, "write");
    reader.join();
  }
}

void dup2_replaces() {
  pipe_pair first;
  const pipe_pair second;
  char byte = 0;
  std::thread([&] {
    expect_equal(write(first.writer, "1", 1), 1, "write");
    expect_equal(read(first.reader, &byte, 1), 1, "read");
  }).join();
  expect_equal(dup2(second.reader, first.reader), first.reader, "dup2");
  std::thread reader([&] { expect_equal(read(first.reader, &byte, 1), 1, "read"); });
  let_others_block();
  expect_equal(write(second.writer, "2", 1), 1, "write to what the number is now");
  reader.join();
  expect_equal(byte, '2', "the byte");
}

// Linux keeps the file alive for a call that is under way: the number goes, the read goes on.
void close_under_a_reader() {
  pipe_pair pipe;
  std::thread reader([fd = pipe.reader] {
    char byte = 0;
    expect_equal(read(fd, &byte, 1), 1, "a read that was under way");
    expect_equal(byte, 'z', "the byte");
    expect_errno(read(fd, &byte, 1), EBADF, "the next read");
  });
  usleep(150'000);
  close_once(pipe.reader);
  let_others_block();
  expect_equal(write(pipe.writer, "z", 1), 1, "write");
  reader.join();
}

void two_readers_of_one_descriptor() {
  const pipe_pair pipe;
  std::atomic<int> got{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 6; ++i)
    readers.emplace_back([&] {
      char byte = 0;
      if (read(pipe.reader, &byte, 1) == 1) got.fetch_add(1);
    });
  let_others_block();
  expect_equal(write(pipe.writer, "abc", 3), 3, "write");
  wait_until([&] { return got.load() == 3; }, "three bytes for three readers");
  let_others_block();
  expect_equal(got.load(), 3, "the others still wait");
  expect_equal(write(pipe.writer, "def", 3), 3, "write");
  for (std::thread& reader : readers)
    reader.join();
  expect_equal(got.load(), 6, "each got one");
}

void reader_and_writer_of_one_socket() {
  const tcp_pair pair;
  const std::string much(4 << 20, 'x');
  std::thread writer([&] {
    expect_equal(send(pair.left, much.data(), much.size(), 0), static_cast<ssize_t>(much.size()),
                 "send while another thread reads the same socket");
  });
  std::thread reader([&] {
    char byte = 0;
    expect_equal(recv(pair.left, &byte, 1, 0), 1, "recv while another thread writes");
  });
  let_others_block();
  expect_equal(send(pair.right, "r", 1, 0), 1, "send");
  reader.join();
  std::size_t left = much.size();
  std::vector<char> buffer(100'000);
  while (left > 0) {
    const ssize_t n = recv(pair.right, buffer.data(), buffer.size(), 0);
    if (n <= 0) break;
    left -= static_cast<std::size_t>(n);
  }
  expect_equal(left, 0U, "bytes that did not come");
  writer.join();
}

void bad_descriptors() {
  std::thread([] {
    char byte = 0;
    expect_errno(read(-1, &byte, 1), EBADF, "read");
    expect_errno(recv(12345, &byte, 1, 0), EBADF, "recv");
    const pipe_pair pipe;
    expect_errno(write(pipe.reader, &byte, 1), EBADF, "write to a reading end");
    expect_errno(recv(pipe.reader, &byte, 1, 0), ENOTSOCK, "recv of a pipe");
    expect_errno(read(pipe.writer, &byte, 1), EBADF, "read of a writing end");
    pollfd entry{12345, POLLIN, 0};
    expect_equal(poll(&entry, 1, 1000), 1, "poll");
    expect_equal(entry.revents, POLLNVAL, "POLLNVAL");
    expect_errno(close(12345), EBADF, "close");
  }).join();
}

// A file that a call in progress keeps open is not the child's.
void child_has_nothing_of_a_closed_descriptor() {
  socket_pair pair;
  const pipe_pair life;
  std::thread reader([fd = pair.left] {
    char byte = 0;
    expect_equal(recv(fd, &byte, 1, 0), 1, "recv");
  });
  let_others_block();
  close_once(pair.left);
  const pid_t child = fork();
  if (child == 0) {
    char byte = 0;
    close(life.writer);
    close(pair.right);
    (void)!read(life.reader, &byte, 1);
    _exit(0);
  }
  expect_equal(send(pair.right, "x", 1, 0), 1, "send");
  reader.join();
  char byte = 0;
  const timeval limit{10, 0};
  setsockopt(pair.right, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  expect_equal(recv(pair.right, &byte, 1, 0), 0, "the end, though the child lives");
  expect_equal(write(life.writer, "x", 1), 1, "write");
  expect_equal(waitpid(child, nullptr, 0), child, "waitpid");
}

// Threads wait for each other although the process can open nothing more.
void waiting_with_no_descriptor_left() {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit few{40, 40};
    setrlimit(RLIMIT_NOFILE, &few);
    const pipe_pair pipe;
    while (dup(pipe.reader) >= 0) {
    }
    std::atomic<int> got{0};
    std::thread reader([&] {
      char byte = 0;
      got.fetch_add(static_cast<int>(read(pipe.reader, &byte, 1)));
      pollfd entry{pipe.reader, POLLIN, 0};
      got.fetch_add(poll(&entry, 1, 10'000));
    });
    for (int i = 0; i < 2; ++i) {
      let_others_block();
      (void)!write(pipe.writer, "x", 1);
    }
    reader.join();
    _exit(got.load());
  }
  int status = 0;
  expect_equal(waitpid(child, &status, 0), child, "waitpid");
  expect_equal(status, 2 << 8, "the child read and polled");
}

const checks registered{
    {"close_of_a_duplicate", close_of_a_duplicate},
    {"close_of_the_first_of_two", close_of_the_first_of_two},
    {"close_while_a_child_holds_it", close_while_a_child_holds_it},
    {"numbers_are_reused_at_once", numbers_are_reused_at_once},
    {"dup2_replaces", dup2_replaces},
    {"close_under_a_reader", close_under_a_reader},
    {"two_readers_of_one_descriptor", two_readers_of_one_descriptor},
    {"reader_and_writer_of_one_socket", reader_and_writer_of_one_socket},
    {"bad_descriptors", bad_descriptors},
    {"child_has_nothing_of_a_closed_descriptor", child_has_nothing_of_a_closed_descriptor},
    {"waiting_with_no_descriptor_left", waiting_with_no_descriptor_left},
};

} // namespace
