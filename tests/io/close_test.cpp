// SPDX-License-Identifier: BSL-1.0
// Closing what others wait on, and the file that gets the number next.
#include <sys/wait.h>

#include <atomic>
#include <memory>
#include <thread>

#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

int error_of(ssize_t result) {
  return result == -1 ? errno : 0;
}

TEST(close, wakes_who_waits_with_ebadf) {
  auto [a, b] = make_tcp_pair(0);
  static char full[1 << 16] = {};
  while (::send(a, full, sizeof full, MSG_DONTWAIT) > 0) {
  }
  in_fiber([&, &a = a] {
    const int fd = a;
    std::vector<task<int>> waiting;
    char c;
    for (int i = 0; i < 3; ++i)
      waiting.push_back(spawn([&] { return error_of(io::read(fd, &c, 1)); }));
    waiting.push_back(spawn([&] { return error_of(io::write(fd, full, 1)); }));
    waiting.push_back(spawn([&] { return error_of(io::recv(fd, &c, 1, 0, 10s)); }));
    auto poller = spawn([&] {
      pollfd one{fd, POLLIN, 0};
      EXPECT_EQ(io::poll(&one, 1, -1), 1);
      return one.revents;
    });
    sleep(1ms);
    EXPECT_EQ(io::close(a.release()), 0);
    for (auto& each : waiting)
      EXPECT_EQ(each.get(), EBADF);
    EXPECT_EQ(poller.get(), POLLNVAL);
  });
}

TEST(close, wakes_an_accept) {
  tcp_listener listener;
  in_fiber([&] {
    const int fd = listener.fd;
    auto server = spawn([&] { return error_of(io::accept(fd, nullptr, nullptr)); });
    sleep(1ms);
    io::close(listener.fd.release());
    EXPECT_EQ(server.get(), EBADF);
  });
}

TEST(close, the_next_file_of_the_number_gets_no_stale_event) {
  in_fiber([] {
    for (int round = 0; round < 50; ++round) {
      auto [a, b] = make_unix_pair(SOCK_STREAM);
      owned_fd kept{::dup(a)}; // the old file lives on
      const int fd = a;
      char c;
      auto old = spawn([&] { return error_of(io::read(fd, &c, 1)); });
      yield();
      io::close(a.release());
      auto [next, other] = make_unix_pair(SOCK_STREAM);
      ASSERT_EQ(int{next}, fd);
      bool woken = false;
      auto reader = spawn([&, fd] {
        std::string got = read_exactly(fd, 1);
        woken = true;
        return got;
      });
      yield();
      EXPECT_EQ(io::write(b, "stale", 5), 5);
      sleep(200us);
      EXPECT_FALSE(woken);
      EXPECT_EQ(io::write(other, "n", 1), 1);
      EXPECT_EQ(reader.get(), "n");
      EXPECT_EQ(old.get(), EBADF);
      io::close(next.release());
      io::close(kept.release());
    }
  });
}

TEST(close, of_a_descriptor_that_a_child_holds) {
  in_fiber([] {
    auto [a, b] = make_unix_pair(SOCK_STREAM);
    auto [gate_in, gate_out] = make_pipe(0);
    char c;
    EXPECT_EQ(error_of(io::read(a, &c, 1, 1ms)), ETIMEDOUT); // registered
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      gate_out.close();
      [[maybe_unused]] const auto n = ::read(gate_in, &c, 1);
      std::_Exit(0);
    }
    const int fd = a;
    io::close(a.release());
    auto [next, other] = make_unix_pair(SOCK_STREAM);
    ASSERT_EQ(int{next}, fd);
    auto reader = spawn([fd] { return read_exactly(fd, 1); });
    yield();
    EXPECT_EQ(io::write(b, "stale", 5), 5);
    sleep(1ms);
    EXPECT_FALSE(reader.done());
    EXPECT_EQ(io::write(other, "n", 1), 1);
    EXPECT_EQ(reader.get(), "n");
    gate_out.close();
    ::waitpid(child, nullptr, 0);
    io::close(next.release());
  });
}

TEST(close, wakes_waiters_of_other_hubs) {
  for (int round = 0; round < 20; ++round) {
    auto [a, b] = make_unix_pair(SOCK_STREAM);
    const int fd = a;
    std::atomic<int> errors = 0, waiting = 0;
    std::vector<std::thread> others;
    for (int i = 0; i < 3; ++i)
      others.emplace_back([&] {
        in_fiber([&] {
          std::vector<task<void>> readers;
          for (int j = 0; j < 4; ++j)
            readers.push_back(spawn([&] {
              char c;
              ++waiting;
              if (error_of(io::read(fd, &c, 1)) == EBADF) ++errors;
            }));
          joinall(readers);
        });
      });
    while (waiting < 12)
      std::this_thread::yield();
    std::this_thread::sleep_for(1ms);
    if (round % 2 == 0)
      io::close(a.release()); // from a thread without a hub
    else
      in_fiber([&, &a = a] { io::close(a.release()); });
    for (auto& each : others)
      each.join();
    EXPECT_EQ(errors, 12);
  }
}

TEST(close, another_hub_uses_the_recycled_number_at_once) {
  // The other hub knows the old file; told of the new one it must not confuse them.
  std::atomic<int> stage = 0, fd = -1;
  std::atomic<bool> right = true;
  std::thread other([&] {
    in_fiber([&] {
      for (int seen = 0; seen < 200;) {
        while (stage != seen + 1)
          yield();
        if (read_exactly(fd, 1, 5s) != "x") right = false;
        char c;
        if (error_of(io::read(fd, &c, 1, 0s)) != ETIMEDOUT) right = false;
        ++seen;
        stage = -seen;
      }
    });
  });
  in_fiber([&] {
    for (int round = 0; round < 200; ++round) {
      auto [a, b] = make_tcp_pair(0);
      fd = a;
      stage = round + 1;
      sleep(50us);
      EXPECT_EQ(io::write(b, "x", 1), 1);
      while (stage != -(round + 1))
        yield();
      io::close(a.release());
      io::close(b.release());
    }
  });
  other.join();
  EXPECT_TRUE(right);
}

TEST(close, in_a_storm_no_reader_is_left_behind) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "it takes the use of a number that another thread closes for a race, which it is";
#endif
  std::atomic<bool> stop = false;
  std::atomic<int> fd = -1;
  std::atomic<int> waits = 0;
  std::thread other([&] {
    in_fiber([&] {
      std::vector<task<void>> readers;
      for (int i = 0; i < 8; ++i)
        readers.push_back(spawn([&] {
          while (!stop) {
            char c;
            // Never longer than the closer's pace: whoever parks on a closed file hangs here.
            const int number = fd;
            if (number >= 0 && error_of(io::read(number, &c, 1, 5s)) == ETIMEDOUT) stop = true;
            ++waits;
            yield();
          }
        }));
      joinall(readers);
    });
  });
  in_fiber([&] {
    for (int round = 0; round < 300 && !stop; ++round) {
      auto [a, b] = make_unix_pair(SOCK_STREAM);
      fd = a;
      sleep(100us);
      fd = -1;
      io::close(a.release());
      sleep(20us);
      io::close(b.release());
    }
    EXPECT_FALSE(stop) << "a reader waited on a closed descriptor";
    stop = true;
  });
  other.join();
  EXPECT_GT(waits, 100);
}

TEST(close, by_other_means_is_noticed_before_long) {
  in_fiber([] {
    auto [a, b] = make_tcp_pair(0);
    char c;
    EXPECT_EQ(error_of(io::read(a, &c, 1, 1ms)), ETIMEDOUT); // registered
    const int fd = a;
    ::close(a.release());
    auto [next, other] = make_tcp_pair(0);
    // Whichever end got the number: the record of it is another file's.
    if (next != fd) std::swap(next, other);
    ASSERT_EQ(int{next}, fd);
    auto reader = spawn([fd] { return read_exactly(fd, 1); });
    yield();
    EXPECT_EQ(io::write(other, "x", 1), 1);
    EXPECT_TRUE(reader.join(5s));
    EXPECT_EQ(reader.get(), "x");

    auto waiting = spawn([fd] {
      char byte;
      return error_of(io::read(fd, &byte, 1));
    });
    yield();
    ::close(next.release());
    EXPECT_TRUE(waiting.join(5s));
    EXPECT_EQ(waiting.get(), EBADF);
  });
}

TEST(close, is_no_switch_point_and_never_throws) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  in_fiber([&, &a = a] {
    auto victim = spawn([&] {
      current().cancel();
      return io::close(a.release());
    });
    EXPECT_EQ(victim.get(), 0);
  });
}

} // namespace
} // namespace weft::test
