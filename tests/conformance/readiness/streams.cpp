// SPDX-License-Identifier: BSL-1.0
// What a stream's reader and writer see, whenever the other side acted.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <csignal>
#include <cstdlib>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <vector>

namespace {

using namespace conformance;

char pattern(std::size_t i) {
  return static_cast<char>(i * 31 + i / 257);
}

std::string patterned(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = pattern(i);
  return bytes;
}

std::string read_to_end(int fd) {
  std::string all;
  char buffer[16384];
  for (ssize_t n = 0; (n = read(fd, buffer, sizeof buffer)) > 0;)
    all.append(buffer, static_cast<std::size_t>(n));
  return all;
}

void data_and_fin_before_the_first_read() {
  for (int round = 0; round < 20; ++round) {
    const listener server;
    const int client = server.connect_to();
    expect_equal(send(client, "all of it", 9, 0), 9, "send");
    close(client); // data and FIN are there before the server has even accepted
    const int peer = accept(server.fd, nullptr, nullptr);
    std::thread reader([peer] {
      char buffer[4] = {};
      std::string all;
      ssize_t n = 0;
      while ((n = recv(peer, buffer, sizeof buffer, 0)) > 0)
        all.append(buffer, static_cast<std::size_t>(n));
      expect_equal(n, 0, "end of stream");
      expect_equal(all, "all of it", "the data");
      expect_equal(recv(peer, buffer, sizeof buffer, 0), 0, "end of stream again");
    });
    reader.join();
    close(peer);
  }
}

void fin_while_reading() {
  tcp_pair pair;
  std::thread reader([&] {
    char buffer[64];
    expect_equal(recv(pair.right, buffer, sizeof buffer, 0), 3, "the data");
    expect_equal(recv(pair.right, buffer, sizeof buffer, 0), 0, "the end");
  });
  let_others_block();
  expect_equal(send(pair.left, "abc", 3, 0), 3, "send");
  let_others_block();
  close_once(pair.left);
  reader.join();
}

void reset_while_reading() {
  tcp_pair pair;
  std::thread reader([&] {
    char buffer[64];
    expect_errno(recv(pair.right, buffer, sizeof buffer, 0), ECONNRESET, "recv");
    expect_equal(recv(pair.right, buffer, sizeof buffer, 0), 0, "recv after the error was told");
  });
  let_others_block();
  const linger none{1, 0};
  setsockopt(pair.left, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close_once(pair.left);
  reader.join();
}

void short_reads() {
  const tcp_pair pair;
  std::thread writer([&] {
    for (int i = 0; i < 30; ++i) {
      expect_equal(send(pair.left, "0123456789", 10, 0), 10, "send");
      if (i % 3 == 0) usleep(1000);
    }
  });
  std::string all;
  while (all.size() < 300) {
    char buffer[7];
    const ssize_t n = recv(pair.right, buffer, sizeof buffer, 0);
    if (n <= 0) break;
    all.append(buffer, static_cast<std::size_t>(n));
  }
  writer.join();
  std::string wanted;
  for (int i = 0; i < 30; ++i)
    wanted += "0123456789";
  expect_equal(all, wanted, "the bytes in order");
}

void exactly_full_buffers() {
  // A read that fills its buffer exactly leaves nothing: the next one has to wait for more.
  const tcp_pair pair;
  std::thread reader([&] {
    char buffer[8];
    for (int i = 0; i < 20; ++i)
      expect_equal(recv(pair.right, buffer, sizeof buffer, 0), 8, "a full buffer");
  });
  for (int i = 0; i < 20; ++i) {
    usleep(2000);
    expect_equal(send(pair.left, "eight by", 8, 0), 8, "send");
    usleep(2000);
  }
  reader.join();
}

template <class Pair>
void large_write_to_a_slow_reader(int Pair::*from, int Pair::*to) {
  constexpr std::size_t size = 6 << 20;
  Pair pair;
  std::thread writer([&] {
    const std::string bytes = patterned(size);
    expect_equal(write(pair.*from, bytes.data(), size), static_cast<ssize_t>(size),
                 "one blocking write writes all");
    close_once(pair.*from);
  });
  std::size_t at = 0;
  std::size_t wrong = 0;
  std::vector<char> buffer(300'000);
  for (;;) {
    const ssize_t n = read(pair.*to, buffer.data(), buffer.size());
    if (n <= 0) break;
    for (ssize_t i = 0; i < n; ++i)
      wrong += buffer[static_cast<std::size_t>(i)] != pattern(at++) ? 1 : 0;
    if (at < size / 4) usleep(2000);
  }
  writer.join();
  expect_equal(at, size, "bytes");
  expect_equal(wrong, 0U, "wrong bytes");
}

void large_write_tcp() {
  large_write_to_a_slow_reader(&tcp_pair::left, &tcp_pair::right);
}
void large_write_unix() {
  large_write_to_a_slow_reader(&socket_pair::left, &socket_pair::right);
}
void large_write_pipe() {
  large_write_to_a_slow_reader(&pipe_pair::writer, &pipe_pair::reader);
}

void half_close() {
  const tcp_pair pair;
  std::thread echo([&] {
    const std::string all = read_to_end(pair.right);
    expect_equal(send(pair.right, all.data(), all.size(), 0), static_cast<ssize_t>(all.size()),
                 "send after the other's end");
    shutdown(pair.right, SHUT_WR);
  });
  expect_equal(send(pair.left, "half", 4, 0), 4, "send");
  let_others_block();
  shutdown(pair.left, SHUT_WR);
  expect_errno(send(pair.left, "x", 1, MSG_NOSIGNAL), EPIPE, "send after shutdown");
  expect_equal(read_to_end(pair.left), "half", "the echo");
  echo.join();
}

void shutdown_wakes_a_reader() {
  const tcp_pair tcp;
  const socket_pair local;
  std::thread first([&] {
    char byte = 0;
    expect_equal(recv(tcp.left, &byte, 1, 0), 0, "recv");
  });
  std::thread second([&] {
    char byte = 0;
    expect_equal(recv(local.left, &byte, 1, 0), 0, "recv");
  });
  let_others_block();
  shutdown(tcp.left, SHUT_RD);
  shutdown(local.left, SHUT_RD);
  first.join();
  second.join();
}

void peek_and_wait_all() {
  const tcp_pair pair;
  std::thread writer([&] {
    for (const char* piece : {"abc", "def", "ghi", "j"}) {
      usleep(15'000);
      expect(send(pair.left, piece, std::string(piece).size(), 0) > 0, "send");
    }
    shutdown(pair.left, SHUT_WR);
  });
  char buffer[16] = {};
  expect(recv(pair.right, buffer, 2, MSG_PEEK) > 0, "MSG_PEEK");
  expect_equal(buffer[0], 'a', "the peeked byte");
  expect_equal(recv(pair.right, buffer, 9, MSG_WAITALL), 9, "MSG_WAITALL");
  expect_equal(std::string(buffer, 9), "abcdefghi", "all of it");
  expect_equal(recv(pair.right, buffer, 9, MSG_WAITALL), 1, "MSG_WAITALL at the end of the stream");
  char byte = 0;
  expect_equal(recv(pair.right, &byte, 1, MSG_PEEK), 0, "MSG_PEEK at the end");
  writer.join();
}

void vectors() {
  const socket_pair pair;
  std::thread writer([&] {
    char first[] = "gather";
    char second[] = "ed data";
    const iovec pieces[] = {{first, 6}, {nullptr, 0}, {second, 7}};
    usleep(10'000);
    expect_equal(writev(pair.left, pieces, 3), 13, "writev");
  });
  char a[4] = {};
  char b[20] = {};
  const iovec rooms[] = {{a, 4}, {b, 20}};
  expect_equal(readv(pair.right, rooms, 2), 13, "readv");
  expect_equal(std::string(a, 4) + std::string(b, 9), "gathered data", "scattered");
  writer.join();
}

void send_file() {
  constexpr std::size_t size = 3 << 20;
  char name[] = "/tmp/weft-conformance-XXXXXX";
  const int file = mkstemp(name);
  unlink(name);
  const std::string bytes = patterned(size);
  expect_equal(write(file, bytes.data(), size), static_cast<ssize_t>(size), "write to a file");
  tcp_pair pair;
  std::thread sender([&] {
    off_t offset = 0;
    while (offset < static_cast<off_t>(size)) {
      const ssize_t n = sendfile(pair.left, file, &offset, size - static_cast<std::size_t>(offset));
      if (n <= 0) return fail("sendfile");
    }
    close_once(pair.left);
  });
  usleep(30'000);
  expect(read_to_end(pair.right) == bytes, "the file's bytes");
  sender.join();
  close(file);
}

void broken_pipe() {
  pipe_pair pipe;
  close_once(pipe.reader);
  std::thread([&] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    expect_errno(write(pipe.writer, "x", 1), EPIPE, "write");
    const timespec none{0, 0};
    expect_equal(sigtimedwait(&set, nullptr, &none), SIGPIPE, "SIGPIPE is pending here");
  }).join();
}

void reader_goes_while_writing() {
  tcp_pair pair;
  std::thread writer([&] {
    const std::string much(8 << 20, 'x');
    ssize_t n = 0;
    while (n >= 0)
      n = send(pair.left, much.data(), much.size(), MSG_NOSIGNAL);
    expect(errno == EPIPE || errno == ECONNRESET, "send to a peer that is gone");
  });
  let_others_block();
  close_once(pair.right);
  writer.join();
}

void long_vector_is_written_whole() {
  socket_pair pair;
  const std::string part(100'000, 'x');
  std::thread writer([&] {
    std::vector<iovec> parts(20, iovec{const_cast<char*>(part.data()), part.size()});
    expect_equal(writev(pair.left, parts.data(), static_cast<int>(parts.size())), 2'000'000,
                 "writev");
    close_once(pair.left);
  });
  std::size_t got = 0;
  char some[50'000];
  for (ssize_t n = 0; (n = read(pair.right, some, sizeof some)) > 0;)
    got += static_cast<std::size_t>(n);
  writer.join();
  expect_equal(got, 2'000'000U, "all came");
}

const checks registered{
    {"data_and_fin_before_the_first_read", data_and_fin_before_the_first_read},
    {"fin_while_reading", fin_while_reading},
    {"reset_while_reading", reset_while_reading},
    {"short_reads", short_reads},
    {"exactly_full_buffers", exactly_full_buffers},
    {"large_write_tcp", large_write_tcp},
    {"large_write_unix", large_write_unix},
    {"large_write_pipe", large_write_pipe},
    {"half_close", half_close},
    {"shutdown_wakes_a_reader", shutdown_wakes_a_reader},
    {"peek_and_wait_all", peek_and_wait_all},
    {"vectors", vectors},
    {"send_file", send_file},
    {"broken_pipe", broken_pipe},
    {"reader_goes_while_writing", reader_goes_while_writing},
    {"long_vector_is_written_whole", long_vector_is_written_whole},
};

} // namespace
