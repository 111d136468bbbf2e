// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/transfer_ring.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "tests/call_filter.hpp"
#include "tests/core/descriptors.hpp"

namespace weft::core {
namespace {

using namespace test;
using kind = socket_call::kind;

/// Sockets in pairs, and the calls made on them; noted in the order in which they are done.
class transfer_ring_test : public testing::Test {
 protected:
  struct noted : socket_call {
    int done_as = -1;
    std::array<char, 16> buffer{};
  };

  void SetUp() override {
    if (transfer_ring::probe() < 0) GTEST_SKIP() << "no io_uring here";
    done_count = 0;
  }

  static void note(socket_call& c) noexcept { static_cast<noted&>(c).done_as = done_count++; }

  noted& ask(kind what, int fd, const char* text = "") {
    noted& c = calls_.emplace_back();
    c.what = what;
    c.fd = fd;
    c.flags = what == kind::send ? MSG_NOSIGNAL : 0;
    c.data = c.buffer.data();
    std::strncpy(c.buffer.data(), text, c.buffer.size() - 1);
    c.size = what == kind::send ? std::strlen(text) : c.buffer.size();
    ring_.push(c);
    return c;
  }

  fd_pair& make_pair() { return pairs_.emplace_back(make_unix_pair(SOCK_STREAM)); }

  static std::string received(int fd) {
    char text[64];
    const ssize_t n = ::recv(fd, text, sizeof text, MSG_DONTWAIT);
    return n < 0 ? std::strerror(errno) : std::string(text, static_cast<std::size_t>(n));
  }

  /// In a child process; false if a check in `f` fails.
  template <class F>
  static bool in_child(F f) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(f() ? 0 : 1);
    int status = -1;
    return ::waitpid(child, &status, 0) == child && status == 0;
  }

  static inline int done_count = 0;
  std::deque<fd_pair> pairs_;
  std::deque<noted> calls_;
  transfer_ring ring_{note};
};

TEST_F(transfer_ring_test, many_calls_are_one_batch) {
  for (int i = 0; i < 5; ++i)
    ask(kind::send, make_pair().first, "hello");
  EXPECT_FALSE(ring_.empty());
  EXPECT_EQ(done_count, 0);
  ring_.flush();
  EXPECT_TRUE(ring_.empty());
  EXPECT_EQ(ring_.batches(), 1U);
  EXPECT_TRUE(ring_.is_busy());
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(calls_[i].result, 5);
    EXPECT_EQ(calls_[i].done_as, i);
    EXPECT_EQ(received(pairs_[i].second), "hello");
  }
}

TEST_F(transfer_ring_test, few_calls_need_no_ring) {
  ask(kind::send, make_pair().first, "one");
  ask(kind::receive, pairs_[0].second);
  ring_.flush();
  EXPECT_EQ(calls_[0].result, 3);
  EXPECT_EQ(calls_[1].result, 3);
  EXPECT_EQ(ring_.batches(), 0U);
  EXPECT_EQ(ring_.descriptor(), -1);
  EXPECT_FALSE(ring_.is_busy());
}

TEST_F(transfer_ring_test, each_has_its_own_result) {
  fd_pair& closed = make_pair();
  closed.second.close();
  fd_pair& pipe = pairs_.emplace_back(make_pipe());
  fd_pair& good = make_pair();
  noted& to_nobody = ask(kind::send, closed.first, "x");
  noted& no_descriptor = ask(kind::send, 999'999, "x");
  noted& no_socket = ask(kind::receive, pipe.first);
  noted& nothing_there = ask(kind::receive, good.first);
  noted& at_the_end = ask(kind::receive, closed.first);
  noted& bad_address = ask(kind::send, good.first, "x");
  bad_address.data = reinterpret_cast<void*>(16);
  noted& fine = ask(kind::send, good.first, "fine");
  ring_.flush();
  EXPECT_EQ(ring_.batches(), 1U);
  EXPECT_EQ(to_nobody.result, -EPIPE);
  EXPECT_EQ(no_descriptor.result, -EBADF);
  EXPECT_EQ(no_socket.result, -ENOTSOCK);
  EXPECT_EQ(nothing_there.result, -EAGAIN);
  EXPECT_EQ(at_the_end.result, 0);
  EXPECT_EQ(bad_address.result, -EFAULT);
  EXPECT_EQ(fine.result, 4);
  EXPECT_EQ(received(good.second), "fine");
}

TEST_F(transfer_ring_test, nothing_waits_though_the_socket_blocks) {
  // Blocking sockets, full ones and empty ones.
  fd_pair& full = make_pair();
  const std::string much(1 << 20, 'x');
  while (::send(full.first, much.data(), much.size(), MSG_DONTWAIT) > 0) {
  }
  for (int i = 0; i < 3; ++i) {
    ask(kind::send, full.first, "more");
    ask(kind::receive, full.first);
  }
  ring_.flush();
  for (const noted& c : calls_)
    EXPECT_EQ(c.result, -EAGAIN);
  EXPECT_EQ(::send(full.second, "later", 5, 0), 5);
  EXPECT_EQ(received(full.first), "later") << "a call was left in the ring, and took it";
}

TEST_F(transfer_ring_test, more_than_there_is_room_for_are_made_in_between) {
  constexpr int many = 5 * static_cast<int>(transfer_ring::capacity) + 7;
  constexpr int sockets = 10;
  std::string sent[sockets];
  for (int i = 0; i < sockets; ++i)
    make_pair();
  for (int i = 0; i < many; ++i) {
    const char text[] = {static_cast<char>('a' + i % 26), 0};
    ask(kind::send, pairs_[i % sockets].first, text);
    sent[i % sockets] += text;
  }
  EXPECT_EQ(done_count, 5 * static_cast<int>(transfer_ring::capacity));
  ring_.flush();
  EXPECT_EQ(ring_.batches(), 6U);
  for (int i = 0; i < sockets; ++i)
    EXPECT_EQ(received(pairs_[i].second), sent[i]) << "of one socket they are made in order";
  for (const noted& c : calls_)
    EXPECT_EQ(c.result, 1);
}

TEST_F(transfer_ring_test, what_is_ready_is_made_some_at_a_time_after_what_was_pushed) {
  constexpr unsigned at_once = transfer_ring::ready_at_once;
  fd_pair& p = make_pair();
  const auto ready = [&](const char* text) {
    ask(kind::send, p.first, text).unlink();
    ring_.push_ready(calls_.back());
  };
  for (unsigned i = 0; i < at_once; ++i)
    ready("r");
  ready("R");
  ask(kind::send, p.first, "p");
  ring_.flush();
  EXPECT_EQ(received(p.second), "p" + std::string(at_once, 'r'));
  EXPECT_FALSE(ring_.empty());
  ask(kind::send, p.first, "q");
  ring_.flush();
  EXPECT_EQ(received(p.second), "qR");
  EXPECT_TRUE(ring_.empty());
}

TEST_F(transfer_ring_test, a_withdrawn_call_is_not_made) {
  fd_pair& p = make_pair();
  for (const char* text : {"a", "b", "c", "d", "e"})
    ask(kind::send, p.first, text);
  calls_[1].unlink();
  ring_.flush();
  EXPECT_FALSE(calls_[1].is_done());
  EXPECT_EQ(calls_[1].done_as, -1);
  EXPECT_EQ(received(p.second), "acde");
}

TEST_F(transfer_ring_test, what_is_stale_is_not_made) {
  fd_pair& p = make_pair();
  for (const char* text : {"a", "b", "c", "d"})
    ask(kind::send, p.first, text).stale = [](const socket_call& c) noexcept {
      return *static_cast<const char*>(c.data) == 'b';
    };
  ring_.flush();
  EXPECT_EQ(calls_[1].result, -EBADF);
  EXPECT_EQ(calls_[3].result, 1);
  EXPECT_EQ(received(p.second), "acd");
}

TEST_F(transfer_ring_test, does_not_keep_a_closed_descriptor_open) {
  for (int i = 0; i < 4; ++i)
    ask(kind::receive, make_pair().first);
  ring_.flush();
  for (fd_pair& p : pairs_) {
    p.first.close();
    char c;
    EXPECT_EQ(::recv(p.second, &c, 1, MSG_DONTWAIT), 0) << "the other end sees it";
  }
}

TEST_F(transfer_ring_test, a_child_makes_its_own_ring_and_none_of_its_parents_calls) {
  fd_pair& p = make_pair();
  for (int i = 0; i < 3; ++i)
    ask(kind::send, p.first, "-");
  ring_.flush(); // there is a ring
  const int inherited = ring_.descriptor();
  ASSERT_GE(inherited, 0);
  for (const char* text : {"P", "Q", "R"})
    ask(kind::send, p.first, text);
  EXPECT_TRUE(in_child([&] {
    ring_.reset_after_fork();
    if (!ring_.empty() || ::fcntl(inherited, F_GETFD) != -1) return false;
    for (const char* text : {"x", "y", "z"})
      ask(kind::send, p.first, text);
    ring_.flush();
    return ring_.batches() == 2 && ring_.descriptor() >= 0 && calls_.back().result == 1;
  }));
  ring_.flush();
  EXPECT_EQ(calls_[5].result, 1);
  EXPECT_EQ(received(p.second), "---xyzPQR");
}

TEST_F(transfer_ring_test, a_send_to_nobody_raises_the_signal_and_the_rest_is_made) {
  // A send to a peer that is gone raises SIGPIPE in the midst of the batch.
  struct sigaction before, now{};
  static volatile sig_atomic_t came;
  came = 0;
  now.sa_handler = [](int) { came = came + 1; };
  ::sigaction(SIGPIPE, &now, &before);
  fd_pair& closed = make_pair();
  closed.second.close();
  fd_pair& good = make_pair();
  ask(kind::send, good.first, "a");
  ask(kind::send, closed.first, "x").flags = 0;
  ask(kind::send, good.first, "b");
  ask(kind::send, good.first, "c");
  ring_.flush();
  ::sigaction(SIGPIPE, &before, nullptr);
  EXPECT_EQ(came, 1);
  EXPECT_EQ(calls_[1].result, -EPIPE);
  EXPECT_EQ(received(good.second), "abc");
}

/// From now on this process may not make that system call.
bool forbid(unsigned number) {
  return call_filter({number}, SECCOMP_RET_ERRNO | EPERM).install() == 0;
}

TEST_F(transfer_ring_test, without_a_ring_each_call_is_made_by_itself) {
  fd_pair& p = make_pair();
  const auto all_are_made = [&] {
    for (const char* text : {"a", "b", "c", "d"})
      ask(kind::send, p.first, text);
    ring_.flush();
    return ring_.descriptor() == -1 && received(p.second) == "abcd" && calls_[3].result == 1;
  };
  EXPECT_TRUE(in_child([&] {
    return forbid(SYS_io_uring_setup) && transfer_ring::probe() == -EPERM && all_are_made();
  }));
  EXPECT_TRUE(in_child([&] { // no descriptor is left
    const int next = ::dup(0);
    const rlimit few{static_cast<rlim_t>(next), static_cast<rlim_t>(next)};
    ::close(next);
    return ::setrlimit(RLIMIT_NOFILE, &few) == 0 && transfer_ring::probe() == -EMFILE &&
           all_are_made();
  }));
}

TEST_F(transfer_ring_test, a_ring_that_is_forbidden_later_loses_nothing) {
  fd_pair& p = make_pair();
  EXPECT_TRUE(in_child([&] {
    for (const char* text : {"a", "b", "c"})
      ask(kind::send, p.first, text);
    ring_.flush();
    if (ring_.batches() != 1 || !forbid(SYS_io_uring_enter)) return false;
    for (const char* text : {"d", "e", "f", "g"})
      ask(kind::send, p.first, text);
    ring_.flush();
    return ring_.descriptor() == -1 && received(p.second) == "abcdefg" && calls_[6].result == 1;
  }));
}

TEST_F(transfer_ring_test, a_ring_that_the_program_closed_is_given_up) {
  for (const bool number_comes_again : {false, true})
    EXPECT_TRUE(in_child([&] {
      fd_pair& p = make_pair();
      for (const char* text : {"a", "b", "c"})
        ask(kind::send, p.first, text);
      ring_.flush();
      const int number = ring_.descriptor();
      if (number < 0 || ::close(number) != 0) return false;
      if (number_comes_again && ::dup2(p.second, number) != number) return false;
      for (const char* text : {"d", "e", "f", "g"})
        ask(kind::send, p.first, text);
      ring_.flush();
      if (ring_.descriptor() != -1 || calls_.back().result != 1) return false;
      return received(number_comes_again ? number : int{p.second}) == "abcdefg";
    }));
}

} // namespace
} // namespace weft::core
