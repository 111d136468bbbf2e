// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "runtime/core/reactor.hpp"
#include "tests/core/descriptors.hpp"

namespace weft::core {

using namespace test;

class reactor_fixture : public testing::Test {
 protected:
  static constexpr nanoseconds millisecond = 1'000'000;

  /// A waiter that notes what woke it.
  struct noted_waiter : io_waiter {
    noted_waiter(int number, io_events events) {
      fd = number;
      wanted = events;
      owner = this;
    }
    int woken = 0;
  };

  static void note(io_waiter& w) noexcept { ++static_cast<noted_waiter*>(w.owner)->woken; }

  reactor reactor_{note};

  /// Harvests what is there now; loopback delivers within the call that sends.
  int harvest() { return reactor_.poll(0); }
  /// Harvests until someone is woken, at most a second.
  int await() {
    const nanoseconds deadline = monotonic_now() + 1000 * millisecond;
    int woken = 0;
    while (woken == 0 && monotonic_now() < deadline) {
      woken = reactor_.poll(deadline);
      if (woken == -EINTR) woken = 0;
    }
    return woken;
  }

  /// One turn of the documented protocol: what a reading fiber does until it has something or
  /// must park. Bytes read (0: end), or -EAGAIN after the waiter was queued.
  ssize_t read_or_wait(int fd, void* to, std::size_t size, noted_waiter& w) {
    const std::uint32_t ticket = reactor_.ticket(fd);
    if (reactor_.maybe_ready(fd, io_in)) {
      const ssize_t n = ::read(fd, to, size);
      if (n >= 0) {
        if (static_cast<std::size_t>(n) < size) reactor_.note_partial(fd, io_in, ticket);
        return n;
      }
      if (errno != EAGAIN) return -errno;
      reactor_.clear(fd, io_in, ticket);
    }
    const int failed = reactor_.add(w);
    return failed < 0 ? failed : -EAGAIN;
  }

  /// Reads as a fiber would, parking when it must, until the end or `most` bytes; what came.
  /// Fails the test if it hangs.
  std::string read_all(int fd, std::size_t step, std::size_t most = SIZE_MAX) {
    std::string all;
    std::vector<char> buffer(step);
    while (all.size() < most) {
      noted_waiter w{fd, io_in};
      const ssize_t n = read_or_wait(fd, buffer.data(), step, w);
      if (n == 0) break;
      if (n > 0) {
        all.append(buffer.data(), static_cast<std::size_t>(n));
        continue;
      }
      if (n != -EAGAIN) {
        all += "error " + std::to_string(-n);
        break;
      }
      if (await() == 0) {
        reactor_.remove(w);
        all += "HANGS";
        break;
      }
    }
    return all;
  }
};

} // namespace weft::core
