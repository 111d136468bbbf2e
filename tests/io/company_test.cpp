// SPDX-License-Identifier: BSL-1.0
// Calls of many fibers at a time, which a hub on io_uring makes together: nothing of it is to be
// seen but in the number of system calls.
#include <sys/wait.h>

#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "runtime/sched/hub.hpp"
#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

constexpr std::size_t many = 8;

bool on_io_uring() {
  return detail::this_hub->transfers() != nullptr;
}
std::uint64_t batches() {
  return on_io_uring() ? detail::this_hub->transfers()->batches() : 0;
}

/// Fibers that wait, each for a byte, and get it all at once; what they do then they do in company,
/// in the order of their numbers.
struct company {
  std::vector<fd_pair> pairs;
  std::vector<task<void>> members;

  template <class F>
  explicit company(F member) {
    for (std::size_t i = 0; i < many; ++i)
      pairs.push_back(make_tcp_pair(0));
    for (std::size_t i = 0; i < many; ++i)
      members.push_back(spawn([this, member, i] {
        const int fd = pairs[i].first;
        char c;
        ASSERT_EQ(io::read(fd, &c, 1), 1);
        member(i, fd);
      }));
    yield();
    for (const fd_pair& p : pairs)
      EXPECT_EQ(::send(p.second, "!", 1, 0), 1);
  }
  /// What the other end of the i-th has got.
  [[nodiscard]] std::string got(std::size_t i) const {
    char text[64];
    const ssize_t n = ::recv(pairs[i].second, text, sizeof text, MSG_DONTWAIT);
    return n < 0 ? "nothing" : std::string(text, static_cast<std::size_t>(n));
  }
};

ssize_t send_text(int fd, std::string_view text) {
  return io::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
}

TEST(company, is_made_together_where_there_is_a_ring) {
  in_fiber([] {
    const std::uint64_t before = batches();
    company all([](std::size_t i, int fd) { EXPECT_EQ(send_text(fd, std::to_string(i)), 1); });
    joinall(all.members);
    for (std::size_t i = 0; i < many; ++i)
      EXPECT_EQ(all.got(i), std::to_string(i));
    if (!on_io_uring()) return;
    EXPECT_GE(batches() - before, 2U); // what is received, and what is sent
    EXPECT_LE(batches() - before, 5U); // the hub may look at its timers in between
  });
}

TEST(company, every_byte_arrives_once_and_in_order) {
  in_fiber([] {
    constexpr int rounds = 300;
    std::vector<fd_pair> pairs;
    std::vector<task<void>> all;
    for (std::size_t i = 0; i < 40; ++i) {
      auto& [a, b] = pairs.emplace_back(i % 2 ? make_tcp_pair(0) : make_unix_pair(SOCK_STREAM));
      all.push_back(spawn([fd = int{a}] { // echoes
        char buffer[1024]; // a message at once: parts would wait for acknowledgements
        for (ssize_t n; (n = io::read(fd, buffer, sizeof buffer)) > 0;)
          ASSERT_EQ(io::write(fd, buffer, static_cast<std::size_t>(n)), n);
      }));
      all.push_back(spawn([fd = int{b}, i] {
        std::minstd_rand random(static_cast<unsigned>(i) + 1);
        for (int round = 0; round < rounds; ++round) {
          const std::string text = pattern(1 + random() % 600);
          ASSERT_EQ(send_text(fd, text), static_cast<ssize_t>(text.size()));
          ASSERT_EQ(read_exactly(fd, text.size()), text);
        }
        ::shutdown(fd, SHUT_WR);
      }));
    }
    joinall(all, {.raise_error = true});
    if (on_io_uring()) {
      EXPECT_GT(batches(), 100U);
    }
  });
}

TEST(company, of_different_ends) {
  // At the same time one gets data, one its end, one a reset, one a time-out, one is cancelled.
  in_fiber([] {
    for (int round = 0; round < 20; ++round) {
      std::vector<fd_pair> pairs;
      std::vector<std::string> outcome(many);
      std::vector<task<void>> all;
      for (std::size_t i = 0; i < many; ++i)
        pairs.push_back(make_tcp_pair(0));
      for (std::size_t i = 0; i < many; ++i)
        all.push_back(spawn([&, i] {
          char c;
          try {
            const ssize_t n =
                io::read(pairs[i].first, &c, 1, i % 5 == 3 ? deadline(1ms) : deadline());
            outcome[i] = n > 0 ? std::string(1, c) : n == 0 ? "end" : std::strerror(errno);
          } catch (const cancelled&) {
            outcome[i] = "cancelled";
          }
        }));
      yield();
      const linger hard{1, 0};
      for (std::size_t i = 0; i < many; ++i) {
        owned_fd& other = pairs[i].second;
        if (i % 5 == 0) {
          EXPECT_EQ(::send(other, "x", 1, 0), 1);
        }
        if (i % 5 == 1) other.close();
        if (i % 5 == 2) {
          ::setsockopt(other, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
          other.close();
        }
        if (i % 5 == 4) {
          EXPECT_EQ(::send(other, "y", 1, 0), 1);
          all[i].cancel();
        }
      }
      joinall(all);
      const std::string expected[] = {"x", "end", std::strerror(ECONNRESET),
                                      std::strerror(ETIMEDOUT), "cancelled"};
      for (std::size_t i = 0; i < many; ++i)
        EXPECT_EQ(outcome[i], expected[i % 5]) << i;
      char c = 0; // what the cancelled one did not get is still there
      EXPECT_EQ(io::read(pairs[4].first, &c, 1), 1);
      EXPECT_EQ(c, 'y');
    }
  });
}

TEST(company, a_cancelled_sender_has_sent) {
  in_fiber([] {
    std::string order;
    company* who = nullptr;
    company all([&](std::size_t i, int fd) {
      if (i == many - 1) {
        EXPECT_TRUE(who->members[0].cancel());
        return;
      }
      EXPECT_EQ(send_text(fd, "sent"), 4);
      if (i != 0) return;
      try {
        sleep(1s);
      } catch (const cancelled&) {
        order += "then cancelled";
      }
    });
    who = &all;
    joinall(all.members);
    EXPECT_EQ(all.got(0), "sent");
    EXPECT_EQ(order, "then cancelled");
  });
}

TEST(company, who_may_not_wait_is_not_made_to) {
  in_fiber([] {
    std::string order;
    company all([&](std::size_t i, int fd) {
      order += "(";
      EXPECT_EQ(io::send(fd, "x", 1, MSG_NOSIGNAL, 0s), 1);
      order += ")";
      if (i == 0) {
        EXPECT_EQ(io::send(fd, "y", 1, MSG_NOSIGNAL | MSG_DONTWAIT), 1);
      }
    });
    joinall(all.members);
    EXPECT_EQ(order, "()()()()()()()()");
    EXPECT_EQ(all.got(0), "xy");
  });
}

TEST(company, a_number_that_is_another_files_gets_nothing) {
  in_fiber([] {
    fd_pair next;
    company* who = nullptr;
    company all([&](std::size_t i, int fd) {
      if (i != many - 1) {
        const ssize_t n = send_text(fd, "x");
        // Where it was made at once, it was before the number was closed.
        EXPECT_TRUE(n == 1 || (i == 0 && n == -1 && errno == EBADF)) << i;
        if (on_io_uring() && i == 0) {
          EXPECT_EQ(n, -1);
        }
        return;
      }
      owned_fd& first = who->pairs[0].first;
      const int number = first;
      io::close(first.release());
      next = make_unix_pair(SOCK_STREAM);
      if (next.first != number) std::swap(next.first, next.second);
      ASSERT_EQ(int{next.first}, number);
    });
    who = &all;
    joinall(all.members);
    char c;
    EXPECT_EQ(::recv(next.second, &c, 1, MSG_DONTWAIT), -1) << "a stale call was made";
    EXPECT_EQ(all.got(1), "x");
  });
}

#if !defined(__SANITIZE_THREAD__) // which takes a fiber that forks for a thread
TEST(company, a_child_makes_none_of_its_parents_calls) {
  in_fiber([] {
    int status = -1;
    company all([&](std::size_t i, int fd) {
      if (i != many - 1) {
        EXPECT_EQ(send_text(fd, "x"), 1);
        return;
      }
      const pid_t child = ::fork();
      if (child == 0) {
        bool fine = true;
        {
          company own([&](std::size_t k, int other) {
            fine = fine && send_text(other, std::to_string(k)) == 1;
          });
          joinall(own.members);
          for (std::size_t k = 0; k < many; ++k)
            fine = fine && own.got(k) == std::to_string(k);
          fine = fine && !testing::Test::HasFailure();
        }
        ::_exit(fine ? 0 : 1);
      }
      ::waitpid(child, &status, 0);
    });
    joinall(all.members);
    EXPECT_EQ(status, 0);
    for (std::size_t i = 0; i + 1 < many; ++i)
      EXPECT_EQ(all.got(i), "x") << i;
  });
}
#endif

TEST(company, on_several_hubs) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([] {
      in_fiber([] {
        for (int round = 0; round < 20; ++round) {
          company all(
              [](std::size_t i, int fd) { EXPECT_EQ(send_text(fd, std::to_string(i)), 1); });
          joinall(all.members);
          for (std::size_t i = 0; i < many; ++i)
            EXPECT_EQ(all.got(i), std::to_string(i));
        }
      });
    });
}

} // namespace
} // namespace weft::test
