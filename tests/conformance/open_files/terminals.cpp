// SPDX-License-Identifier: BSL-1.0
// Terminals: their modes decide when a read returns, and a write may wait in the middle.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <cstdlib>
#include <poll.h>
#include <termios.h>
#include <vector>

namespace {

using namespace conformance;

struct terminal {
  terminal() {
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64] = {};
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
        ptsname_r(master, name, sizeof name) != 0)
      fail("posix_openpt");
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    tcgetattr(slave, &settings);
  }
  terminal(const terminal&) = delete;
  terminal& operator=(const terminal&) = delete;
  ~terminal() {
    close_once(slave);
    close_once(master);
  }
  void make_raw(int least, int tenths) {
    cfmakeraw(&settings);
    settings.c_cc[VMIN] = static_cast<cc_t>(least);
    settings.c_cc[VTIME] = static_cast<cc_t>(tenths);
    tcsetattr(slave, TCSANOW, &settings);
  }
  int master = -1;
  int slave = -1;
  termios settings{};
};

void least_number_of_bytes() {
  terminal t;
  t.make_raw(4, 0);
  std::thread reader([&] {
    char buffer[16];
    expect_equal(read(t.slave, buffer, sizeof buffer), 4, "read waits for VMIN bytes");
    expect_equal(read(t.slave, buffer, 2), 2, "fewer are wanted");
  });
  for (const char* piece : {"ab", "cd", "efgh"}) {
    let_others_block();
    expect(write(t.master, piece, std::string(piece).size()) > 0, "write");
  }
  reader.join();
}

void read_without_waiting() {
  terminal t;
  t.make_raw(0, 0);
  std::thread([&] {
    char byte = 0;
    expect_equal(read(t.slave, &byte, 1), 0, "VMIN and VTIME 0: nothing is there");
    expect_equal(write(t.master, "x", 1), 1, "write");
    pollfd entry{t.slave, POLLIN, 0};
    expect_equal(poll(&entry, 1, 10'000), 1, "poll");
    expect_equal(read(t.slave, &byte, 1), 1, "something is there");
  }).join();
}

void read_for_some_time() {
  terminal t;
  t.make_raw(0, 2);
  std::thread([&] {
    char byte = 0;
    const stopwatch watch;
    expect_equal(read(t.slave, &byte, 1), 0, "VTIME");
    watch.expect_between(150ms, 10s, "the time limit");
  }).join();
}

void time_between_bytes() {
  terminal t;
  t.make_raw(10, 2);
  std::thread reader([&] {
    char buffer[16];
    expect_equal(read(t.slave, buffer, sizeof buffer), 3, "what came before a pause");
  });
  let_others_block();
  expect_equal(write(t.master, "abc", 3), 3, "write");
  reader.join();
}

// What waits for a line gets what there is when lines don't matter any more.
void mode_changed_meanwhile() {
  terminal t;
  t.settings.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(t.slave, TCSANOW, &t.settings);
  std::thread reader([&] {
    char buffer[16];
    expect_equal(read(t.slave, buffer, sizeof buffer), 3, "read");
  });
  let_others_block();
  expect_equal(write(t.master, "abc", 3), 3, "no line yet");
  let_others_block();
  t.settings.c_lflag &= ~static_cast<tcflag_t>(ICANON);
  tcsetattr(t.slave, TCSANOW, &t.settings);
  reader.join();
}

void large_write() {
  terminal t;
  t.make_raw(1, 0);
  constexpr std::size_t size = 300'000;
  std::thread writer([&] {
    const std::string much(size, 'x');
    expect_equal(write(t.slave, much.data(), size), static_cast<ssize_t>(size), "write of all");
  });
  std::size_t got = 0;
  char buffer[4096];
  while (got < size) {
    const ssize_t n = read(t.master, buffer, sizeof buffer);
    if (n <= 0) return fail("read");
    got += static_cast<std::size_t>(n);
  }
  writer.join();
  expect_equal(got, size, "all came");
}

void large_write_to_the_master() {
  terminal t;
  t.make_raw(1, 0);
  constexpr std::size_t size = 100'000;
  std::thread writer([&] {
    const std::string much(size, 'x');
    std::size_t at = 0;
    while (at < size) {
      const ssize_t n = write(t.master, much.data() + at, size - at);
      if (n <= 0) return fail("write");
      at += static_cast<std::size_t>(n);
    }
  });
  std::size_t got = 0;
  char buffer[4096];
  while (got < size) {
    const ssize_t n = read(t.slave, buffer, sizeof buffer);
    if (n <= 0) return fail("read");
    got += static_cast<std::size_t>(n);
    if (got < 20'000) usleep(5000);
  }
  writer.join();
  expect_equal(got, size, "all came");
}

// A line that is read while its writers take turns is never torn.
void lines_stay_whole() {
  terminal t;
  t.make_raw(1, 0);
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w)
    writers.emplace_back([&, w] {
      const std::string line = std::string(99, static_cast<char>('a' + w)) + "\n";
      for (int i = 0; i < 50; ++i)
        expect_equal(write(t.slave, line.data(), line.size()), 100, "write");
    });
  std::string all;
  char buffer[1000];
  while (all.size() < 20'000) {
    const ssize_t n = read(t.master, buffer, sizeof buffer);
    if (n <= 0) return fail("read");
    all.append(buffer, static_cast<std::size_t>(n));
  }
  for (std::thread& writer : writers)
    writer.join();
  for (std::size_t at = 0; at < all.size(); at += 100)
    expect(all.compare(at, 99, std::string(99, all[at])) == 0, "a line in one piece");
}

void hang_up_while_reading() {
  terminal t;
  std::thread reader([&] {
    char byte = 0;
    expect_errno(read(t.slave, &byte, 1), EIO, "a read that was under way");
    expect_equal(read(t.slave, &byte, 1), 0, "one that begins now");
  });
  let_others_block();
  close_once(t.master);
  reader.join();
}

const checks registered{
    {"least_number_of_bytes", least_number_of_bytes},
    {"read_without_waiting", read_without_waiting},
    {"read_for_some_time", read_for_some_time},
    {"time_between_bytes", time_between_bytes},
    {"mode_changed_meanwhile", mode_changed_meanwhile},
    {"large_write_to_a_terminal", large_write},
    {"large_write_to_the_master", large_write_to_the_master},
    {"lines_stay_whole", lines_stay_whole},
    {"hang_up_while_reading", hang_up_while_reading},
};

} // namespace
