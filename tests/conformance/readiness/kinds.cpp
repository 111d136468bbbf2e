// SPDX-License-Identifier: BSL-1.0
// Descriptors other than sockets, and the flags that are the program's own.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <cstdlib>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <vector>

namespace {

using namespace conformance;

void nonblocking_is_respected() {
  std::thread([] {
    const pipe_pair pipe(O_NONBLOCK | O_CLOEXEC);
    const tcp_pair tcp;
    char byte = 0;
    expect_errno(read(pipe.reader, &byte, 1), EAGAIN, "read of an empty pipe");
    const std::string much(1 << 20, 'x');
    const ssize_t n = write(pipe.writer, much.data(), much.size());
    expect(n > 0 && n < (1 << 20), "write of a part");
    expect_errno(write(pipe.writer, much.data(), much.size()), EAGAIN, "write to a full pipe");
    fcntl(tcp.left, F_SETFL, fcntl(tcp.left, F_GETFL) | O_NONBLOCK);
    expect_errno(recv(tcp.left, &byte, 1, 0), EAGAIN, "recv");
    expect_errno(recv(tcp.right, &byte, 1, MSG_DONTWAIT), EAGAIN, "recv MSG_DONTWAIT");
    fcntl(tcp.left, F_SETFL, fcntl(tcp.left, F_GETFL) & ~O_NONBLOCK);
  }).join();
}

void blocking_again_after_a_change() {
  const tcp_pair pair;
  for (int round = 0; round < 3; ++round) {
    int on = 1;
    expect_equal(ioctl(pair.left, FIONBIO, &on), 0, "FIONBIO");
    char byte = 0;
    expect_errno(recv(pair.left, &byte, 1, 0), EAGAIN, "recv");
    on = 0;
    expect_equal(ioctl(pair.left, FIONBIO, &on), 0, "FIONBIO");
    std::thread reader([&] { expect_equal(recv(pair.left, &byte, 1, 0), 1, "recv blocks again"); });
    usleep(20'000);
    expect_equal(send(pair.right, "x", 1, 0), 1, "send");
    reader.join();
  }
}

void flags_are_left_alone() {
  const pipe_pair pipe;
  const tcp_pair tcp;
  std::thread reader([&] {
    char byte = 0;
    expect_equal(read(pipe.reader, &byte, 1), 1, "read");
    expect_equal(recv(tcp.left, &byte, 1, 0), 1, "recv");
  });
  let_others_block();
  for (const int fd : {pipe.reader, pipe.writer, tcp.left, tcp.right})
    expect_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0, "still blocking while a thread waits");
  expect_equal(write(pipe.writer, "x", 1), 1, "write");
  expect_equal(send(tcp.right, "x", 1, 0), 1, "send");
  reader.join();
  for (const int fd : {pipe.reader, pipe.writer, tcp.left, tcp.right}) {
    expect_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0, "still blocking afterwards");
    expect_equal(fcntl(fd, F_GETFD), FD_CLOEXEC, "the descriptor's flags");
  }
}

void event_counter() {
  const int fd = eventfd(0, EFD_CLOEXEC);
  std::thread reader([fd] {
    eventfd_t value = 0;
    expect_equal(eventfd_read(fd, &value), 0, "read");
    expect_equal(value, 5U, "the sum");
  });
  let_others_block();
  expect_equal(eventfd_write(fd, 5), 0, "write");
  reader.join();
  std::thread writer([fd] {
    expect_equal(eventfd_write(fd, 0xfffffffffffffffeU), 0, "the largest value");
    expect_equal(eventfd_write(fd, 7), 0, "a write that has to wait");
  });
  let_others_block();
  eventfd_t value = 0;
  expect_equal(eventfd_read(fd, &value), 0, "read");
  expect_equal(value, 0xfffffffffffffffeU, "the largest value");
  expect_equal(eventfd_read(fd, &value), 0, "read");
  expect_equal(value, 7U, "what waited");
  writer.join();
  std::uint32_t small = 0;
  expect_errno(read(fd, &small, sizeof small), EINVAL, "read with too little room");
  close(fd);
}

void event_semaphore() {
  const int fd = eventfd(2, EFD_CLOEXEC | EFD_SEMAPHORE);
  std::thread reader([fd] {
    for (int i = 0; i < 5; ++i) {
      eventfd_t value = 0;
      expect_equal(eventfd_read(fd, &value), 0, "read");
      expect_equal(value, 1U, "one at a time");
    }
  });
  let_others_block();
  expect_equal(eventfd_write(fd, 3), 0, "write");
  reader.join();
  close(fd);
}

void timer_descriptor() {
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  itimerspec times{};
  times.it_value.tv_nsec = 50'000'000;
  times.it_interval.tv_nsec = 10'000'000;
  const stopwatch watch;
  expect_equal(timerfd_settime(fd, 0, &times, nullptr), 0, "timerfd_settime");
  std::thread reader([fd, &watch] {
    std::uint64_t expirations = 0;
    expect_equal(read(fd, &expirations, sizeof expirations), 8, "read");
    watch.expect_between(49ms, 8s, "the first expiration");
    expect(expirations >= 1, "at least one");
    std::uint64_t more = 0;
    expect_equal(read(fd, &more, sizeof more), 8, "read");
    watch.expect_between(59ms, 8s, "the second expiration");
  });
  reader.join();
  close(fd);
}

void pseudo_terminal() {
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) return fail("posix_openpt");
  char name[64] = {};
  ptsname_r(master, name, sizeof name);
  const int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  expect(slave >= 0, "open of the terminal");
  termios settings{};
  tcgetattr(slave, &settings);
  settings.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(slave, TCSANOW, &settings);
  std::thread reader([slave] {
    char line[64] = {};
    expect_equal(read(slave, line, sizeof line), 6, "a line");
    expect_equal(std::string(line), "hello\n", "the line");
    expect_equal(read(slave, line, 3), 3, "a part of a line");
    expect_equal(read(slave, line, 30), 3, "the rest of it");
  });
  let_others_block();
  expect_equal(write(master, "hel", 3), 3, "write");
  let_others_block();
  expect_equal(write(master, "lo\n", 3), 3, "write");
  let_others_block();
  expect_equal(write(master, "world\n", 6), 6, "write");
  reader.join();
  close(slave);
  char byte = 0;
  expect_errno(read(master, &byte, 1), EIO, "read of a terminal that nobody has open");
  close(master);
}

void named_pipe() {
  const std::string name = "/tmp/weft-conformance-fifo-" + std::to_string(getpid());
  expect_equal(mkfifo(name.c_str(), 0600), 0, "mkfifo");
  int reader = open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  int writer = open(name.c_str(), O_WRONLY | O_CLOEXEC);
  unlink(name.c_str());
  fcntl(reader, F_SETFL, 0);
  std::thread waiter([reader] {
    char text[8] = {};
    expect_equal(read(reader, text, sizeof text), 4, "read");
    expect_equal(read(reader, text, sizeof text), 0, "the end");
  });
  let_others_block();
  expect_equal(write(writer, "fifo", 4), 4, "write");
  let_others_block();
  close_once(writer);
  waiter.join();
  close_once(reader);
}

void small_pipe_writes_stay_whole() {
  const pipe_pair pipe;
  std::vector<std::thread> writers;
  for (int t = 0; t < 5; ++t)
    writers.emplace_back([&, t] {
      const std::string record(500, static_cast<char>('a' + t));
      for (int i = 0; i < 100; ++i)
        expect_equal(write(pipe.writer, record.data(), record.size()), 500, "write");
    });
  usleep(20'000);
  int counts[5] = {};
  for (int i = 0; i < 500; ++i) {
    std::string record;
    while (record.size() < 500) {
      char buffer[500];
      const ssize_t n = read(pipe.reader, buffer, 500 - record.size());
      if (n <= 0) return fail("read");
      record.append(buffer, static_cast<std::size_t>(n));
    }
    expect(record == std::string(500, record[0]), "a record in one piece");
    ++counts[(record[0] - 'a') % 5];
  }
  for (std::thread& writer : writers)
    writer.join();
  for (const int count : counts)
    expect_equal(count, 100, "records of each writer");
}

void regular_files() {
  char name[] = "/tmp/weft-conformance-XXXXXX";
  const int fd = mkstemp(name);
  unlink(name);
  std::thread([fd] {
    const std::string text(100'000, 'f');
    expect_equal(write(fd, text.data(), text.size()), 100'000, "write");
    expect_equal(lseek(fd, 0, SEEK_SET), 0, "lseek");
    std::string back(200'000, '\0');
    expect_equal(read(fd, back.data(), back.size()), 100'000, "read");
    expect_equal(read(fd, back.data(), back.size()), 0, "the end");
    expect_equal(pread(fd, back.data(), 10, 99'995), 5, "pread");
    expect_equal(pwrite(fd, "end", 3, 100'000), 3, "pwrite");
    expect_equal(fsync(fd), 0, "fsync");
  }).join();
  close(fd);
}

// The ends of a FIFO that both have been opened, and its name removed.
struct fifo_pair {
  fifo_pair() {
    const std::string name = "/tmp/weft-conformance-fifo-" + std::to_string(getpid());
    expect_equal(mkfifo(name.c_str(), 0600), 0, "mkfifo");
    reader = open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    writer = open(name.c_str(), O_WRONLY | O_CLOEXEC);
    unlink(name.c_str());
    fcntl(reader, F_SETFL, 0);
  }
  fifo_pair(const fifo_pair&) = delete;
  fifo_pair& operator=(const fifo_pair&) = delete;
  ~fifo_pair() {
    close_once(reader);
    close_once(writer);
  }
  int reader = -1;
  int writer = -1;
};

void named_pipe_without_a_writer() {
  const std::string name = "/tmp/weft-conformance-fifo-" + std::to_string(getpid());
  expect_equal(mkfifo(name.c_str(), 0600), 0, "mkfifo");
  int reader = open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  unlink(name.c_str());
  std::thread([reader] {
    char byte = 0;
    expect_equal(read(reader, &byte, 1), 0, "the end, without waiting");
    fcntl(reader, F_SETFL, 0);
    expect_equal(read(reader, &byte, 1), 0, "the end");
  }).join();
  close_once(reader);
}

void named_pipe_large_write() {
  fifo_pair fifo;
  constexpr std::size_t size = 1 << 20;
  std::thread writer([&] {
    const std::string much(size, 'x');
    expect_equal(write(fifo.writer, much.data(), size), size, "write of all");
    close_once(fifo.writer);
  });
  std::size_t got = 0;
  char part[10'000];
  for (ssize_t n = 0; (n = read(fifo.reader, part, sizeof part)) > 0;)
    got += static_cast<std::size_t>(n);
  writer.join();
  expect_equal(got, size, "all came");
}

// The flag is changed while only one thread is left.
void flag_changed_between_threads() {
  const socket_pair pair;
  char byte = 0;
  std::thread writer([&] {
    let_others_block();
    expect_equal(write(pair.right, "x", 1), 1, "write");
  });
  expect_equal(recv(pair.left, &byte, 1, 0), 1, "recv");
  writer.join();
  fcntl(pair.left, F_SETFL, O_NONBLOCK);
  std::thread([&] { expect_errno(recv(pair.left, &byte, 1, 0), EAGAIN, "recv"); }).join();
}

const checks registered{
    {"nonblocking_is_respected", nonblocking_is_respected},
    {"blocking_again_after_a_change", blocking_again_after_a_change},
    {"flags_are_left_alone", flags_are_left_alone},
    {"event_counter", event_counter},
    {"event_semaphore", event_semaphore},
    {"timer_descriptor", timer_descriptor},
    {"pseudo_terminal", pseudo_terminal},
    {"named_pipe", named_pipe},
    {"small_pipe_writes_stay_whole", small_pipe_writes_stay_whole},
    {"regular_files", regular_files},
    {"named_pipe_without_a_writer", named_pipe_without_a_writer},
    {"named_pipe_large_write", named_pipe_large_write},
    {"flag_changed_between_threads", flag_changed_between_threads},
};

} // namespace
