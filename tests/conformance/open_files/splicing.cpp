// SPDX-License-Identifier: BSL-1.0
// splice, tee, vmsplice, sendfile and copy_file_range, where an end has to be waited for.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <csignal>
#include <cstdlib>
#include <sys/sendfile.h>
#include <sys/uio.h>

namespace {

using namespace conformance;

std::string read_all(int fd) {
  std::string all;
  char buffer[30'000];
  for (ssize_t n = 0; (n = read(fd, buffer, sizeof buffer)) > 0;)
    all.append(buffer, static_cast<std::size_t>(n));
  return all;
}

std::string counted(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    text[i] = static_cast<char>(i * 7 + i / 251);
  return text;
}

int file_of(const std::string& text) {
  char name[] = "/tmp/weft-conformance-XXXXXX";
  const int fd = mkstemp(name);
  unlink(name);
  expect_equal(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()), "write");
  lseek(fd, 0, SEEK_SET);
  return fd;
}

void socket_to_pipe_waits() {
  const socket_pair pair;
  const pipe_pair pipe;
  std::thread mover([&] {
    expect_equal(splice(pair.right, nullptr, pipe.writer, nullptr, 100, 0), 5, "splice");
    expect_errno(splice(pair.right, nullptr, pipe.writer, nullptr, 100, SPLICE_F_NONBLOCK), EAGAIN,
                 "SPLICE_F_NONBLOCK");
  });
  let_others_block();
  expect_equal(send(pair.left, "hello", 5, 0), 5, "send");
  mover.join();
  char text[8] = {};
  expect_equal(read(pipe.reader, text, 8), 5, "read");
  expect_equal(std::string(text, 5), "hello", "the bytes");
}

// socket -> pipe -> socket, as a proxy does it.
void proxy() {
  constexpr std::size_t size = 3 << 20;
  tcp_pair from;
  tcp_pair to;
  std::thread mover([&] {
    pipe_pair pipe;
    for (;;) {
      ssize_t n = splice(from.right, nullptr, pipe.writer, nullptr, 50'000, SPLICE_F_MOVE);
      if (n <= 0) break;
      while (n > 0) {
        const ssize_t m = splice(pipe.reader, nullptr, to.left, nullptr,
                                 static_cast<std::size_t>(n), SPLICE_F_MOVE | SPLICE_F_MORE);
        if (m <= 0) return fail("splice to a socket");
        n -= m;
      }
    }
    shutdown(to.left, SHUT_WR);
  });
  std::thread sender([&] {
    const std::string bytes = counted(size);
    expect_equal(write(from.left, bytes.data(), size), static_cast<ssize_t>(size), "write");
    shutdown(from.left, SHUT_WR);
  });
  expect(read_all(to.right) == counted(size), "all bytes, in order");
  mover.join();
  sender.join();
}

void pipe_to_pipe() {
  pipe_pair a;
  pipe_pair b;
  std::thread mover([&] {
    for (ssize_t n = 0; (n = splice(a.reader, nullptr, b.writer, nullptr, 9000, 0)) != 0;)
      if (n < 0) return fail("splice");
    close_once(b.writer);
  });
  std::thread sender([&] {
    const std::string bytes = counted(700'000);
    expect_equal(write(a.writer, bytes.data(), bytes.size()), 700'000, "write");
    close_once(a.writer);
  });
  expect(read_all(b.reader) == counted(700'000), "all bytes, in order");
  mover.join();
  sender.join();
}

void file_to_a_full_pipe() {
  const int file = file_of(counted(400'000));
  pipe_pair pipe;
  std::thread mover([&] {
    loff_t at = 0;
    while (at < 400'000)
      if (splice(file, &at, pipe.writer, nullptr, 400'000, 0) <= 0) return fail("splice");
    close_once(pipe.writer);
  });
  let_others_block();
  expect(read_all(pipe.reader) == counted(400'000), "all bytes, in order");
  mover.join();
  close(file);
}

void pipe_to_file() {
  const int file = file_of("");
  pipe_pair pipe;
  std::thread mover([&] {
    for (ssize_t n = 0; (n = splice(pipe.reader, nullptr, file, nullptr, 65536, 0)) != 0;)
      if (n < 0) return fail("splice");
  });
  for (int i = 0; i < 10; ++i) {
    expect_equal(write(pipe.writer, "0123456789", 10), 10, "write");
    usleep(2000);
  }
  close_once(pipe.writer);
  mover.join();
  expect_equal(lseek(file, 0, SEEK_END), 100, "bytes in the file");
  close(file);
}

void tee_waits() {
  const pipe_pair a;
  const pipe_pair b;
  std::thread copier([&] {
    expect_equal(tee(a.reader, b.writer, 100, 0), 4, "tee");
    char text[8];
    expect_equal(read(a.reader, text, 8), 4, "the original");
  });
  let_others_block();
  expect_equal(write(a.writer, "copy", 4), 4, "write");
  copier.join();
  char text[8];
  expect_equal(read(b.reader, text, 8), 4, "the copy");
}

void vmsplice_waits() {
  pipe_pair pipe;
  constexpr std::size_t size = 300'000;
  const std::string bytes = counted(size);
  std::thread writer([&] {
    std::size_t at = 0;
    while (at < size) {
      const iovec part{const_cast<char*>(bytes.data()) + at, size - at};
      const ssize_t n = vmsplice(pipe.writer, &part, 1, 0);
      if (n <= 0) return fail("vmsplice");
      at += static_cast<std::size_t>(n);
    }
    close_once(pipe.writer);
  });
  let_others_block();
  expect(read_all(pipe.reader) == bytes, "all bytes, in order");
  writer.join();
}

void splice_tells_of_a_broken_pipe() {
  signal(SIGPIPE, SIG_IGN);
  pipe_pair a;
  pipe_pair b;
  close_once(b.reader);
  std::thread([&] {
    expect_equal(write(a.writer, "x", 1), 1, "write");
    expect_errno(splice(a.reader, nullptr, b.writer, nullptr, 1, 0), EPIPE, "splice");
    expect_errno(splice(a.reader, nullptr, -1, nullptr, 1, 0), EBADF, "a bad descriptor");
    expect_errno(tee(a.reader, a.writer, 1, 0), EINVAL, "tee of a pipe to itself");
  }).join();
}

void splice_and_a_closed_source() {
  pipe_pair a;
  const pipe_pair b;
  std::thread mover([&, in = a.reader] {
    expect_equal(splice(in, nullptr, b.writer, nullptr, 10, 0), 1, "a splice under way");
  });
  let_others_block();
  close_once(a.reader);
  let_others_block();
  expect_equal(write(a.writer, "x", 1), 1, "write");
  mover.join();
}

void sendfile_to_a_pipe() {
  const int file = file_of(counted(500'000));
  pipe_pair pipe;
  std::thread sender([&] {
    expect_equal(sendfile(pipe.writer, file, nullptr, 500'000), 65'536, "what fits into it");
    for (std::size_t left = 500'000 - 65'536; left > 0;) {
      const ssize_t n = sendfile(pipe.writer, file, nullptr, left);
      if (n <= 0) return fail("sendfile");
      left -= static_cast<std::size_t>(n);
    }
    expect_equal(lseek(file, 0, SEEK_CUR), 500'000, "the file's position");
    close_once(pipe.writer);
  });
  let_others_block();
  expect(read_all(pipe.reader) == counted(500'000), "all bytes, in order");
  sender.join();
  close(file);
}

void sendfile_beyond_the_end() {
  const int file = file_of("short");
  const socket_pair pair;
  std::thread([&] {
    off_t at = 2;
    expect_equal(sendfile(pair.left, file, &at, 1000), 3, "sendfile to the end");
    expect_equal(at, 5, "the position");
    expect_equal(sendfile(pair.left, file, &at, 1000), 0, "at the end");
    expect_errno(sendfile(pair.left, pair.right, nullptr, 10), EINVAL, "from a socket");
  }).join();
  close(file);
}

void copy_between_files() {
  const int from = file_of(counted(200'000));
  const int to = file_of("");
  std::thread([&] {
    std::size_t left = 200'000;
    while (left > 0) {
      const ssize_t n = copy_file_range(from, nullptr, to, nullptr, left, 0);
      if (n <= 0) return fail("copy_file_range");
      left -= static_cast<std::size_t>(n);
    }
  }).join();
  lseek(to, 0, SEEK_SET);
  expect(read_all(to) == counted(200'000), "the copy");
  close(from);
  close(to);
}

const checks registered{
    {"socket_to_pipe_waits", socket_to_pipe_waits},
    {"proxy", proxy},
    {"pipe_to_pipe", pipe_to_pipe},
    {"file_to_a_full_pipe", file_to_a_full_pipe},
    {"pipe_to_file", pipe_to_file},
    {"tee_waits", tee_waits},
    {"vmsplice_waits", vmsplice_waits},
    {"splice_tells_of_a_broken_pipe", splice_tells_of_a_broken_pipe},
    {"splice_and_a_closed_source", splice_and_a_closed_source},
    {"sendfile_to_a_pipe", sendfile_to_a_pipe},
    {"sendfile_beyond_the_end", sendfile_beyond_the_end},
    {"copy_between_files", copy_between_files},
};

} // namespace
