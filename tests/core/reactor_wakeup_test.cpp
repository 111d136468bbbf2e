// SPDX-License-Identifier: BSL-1.0
// What ends a poll: deadlines, interrupts from threads and from signal handlers, signals.
#include <atomic>
#include <csignal>
#include <ctime>
#include <memory>
#include <thread>

#include "tests/core/reactor_fixture.hpp"

namespace weft::core {
namespace {

class reactor_wakeup : public reactor_fixture {};

reactor* interrupted_by_signal = nullptr;

TEST_F(reactor_wakeup, sleeps_until_the_deadline_not_less) {
  for (nanoseconds span : {nanoseconds{20'000}, 300'000L, 3 * millisecond, 20 * millisecond}) {
    const nanoseconds deadline = monotonic_now() + span;
    EXPECT_EQ(reactor_.poll(deadline), 0);
    EXPECT_GE(monotonic_now(), deadline);
  }
  const nanoseconds past = monotonic_now() - millisecond;
  EXPECT_EQ(reactor_.poll(past), 0);
}

TEST_F(reactor_wakeup, an_interrupt_before_the_poll_ends_it) {
  ASSERT_EQ(reactor_.prepare_interrupt(), 0);
  reactor_.interrupt();
  reactor_.interrupt();
  EXPECT_EQ(reactor_.poll(never), 0);
  const nanoseconds deadline = monotonic_now() + 5 * millisecond;
  EXPECT_EQ(reactor_.poll(deadline), 0);
  EXPECT_GE(monotonic_now(), deadline) << "two interrupts are one";
}

TEST_F(reactor_wakeup, interrupts_from_threads_are_not_lost) {
  ASSERT_EQ(reactor_.prepare_interrupt(), 0);
  std::atomic<int> asked = 0;
  constexpr int rounds = 2000;
  std::atomic<int> seen = 0;
  std::thread other{[&] {
    for (int i = 1; i <= rounds; ++i) {
      asked.store(i);
      reactor_.interrupt();
      while (seen.load() < i)
        std::this_thread::yield();
    }
  }};
  while (seen.load() < rounds) {
    ASSERT_EQ(reactor_.poll(never), 0);
    seen.store(asked.load());
  }
  other.join();
}

TEST_F(reactor_wakeup, an_interrupt_and_an_event_come_together) {
  ASSERT_EQ(reactor_.prepare_interrupt(), 0);
  auto [in, out] = make_pipe();
  noted_waiter w{in, io_in};
  ASSERT_EQ(reactor_.add(w), 0);
  ASSERT_EQ(::write(out, "x", 1), 1);
  reactor_.interrupt();
  EXPECT_EQ(reactor_.poll(never), 1);
}

TEST_F(reactor_wakeup, what_is_watched_tells_each_time_and_counts_as_no_waiter) {
  auto [in, out] = make_pipe();
  noted_waiter w{in, io_in};
  ASSERT_EQ(reactor_.watch(w), 0);
  EXPECT_FALSE(reactor_.has_waiters());
  harvest();
  EXPECT_EQ(w.woken, 0);
  for (int i = 1; i <= 3; ++i) { // though nobody reads
    ASSERT_EQ(::write(out, "x", 1), 1);
    harvest();
    EXPECT_EQ(w.woken, i);
    harvest();
    EXPECT_EQ(w.woken, i);
  }
  EXPECT_FALSE(w.linked());
  reactor_.reset_after_fork();
  ASSERT_EQ(::write(out, "x", 1), 1);
  ASSERT_EQ(reactor_.prepare_interrupt(), 0);
  harvest();
  EXPECT_EQ(w.woken, 3);
}

TEST_F(reactor_wakeup, what_cannot_be_watched_is_told) {
  noted_waiter w{-1, io_in};
  EXPECT_EQ(reactor_.watch(w), -EBADF);
}

TEST_F(reactor_wakeup, a_signal_handler_may_interrupt) {
  ASSERT_EQ(reactor_.prepare_interrupt(), 0);
  interrupted_by_signal = &reactor_;
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { interrupted_by_signal->interrupt(); };
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  const pthread_t self = ::pthread_self();
  std::thread other{[&] { ::pthread_kill(self, SIGUSR1); }};
  int result = reactor_.poll(never);
  // Where the signal came while asleep the poll says so; the interrupt ends the next.
  if (result == -EINTR) result = reactor_.poll(never);
  EXPECT_EQ(result, 0);
  other.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_F(reactor_wakeup, a_signal_that_interrupts_is_reported) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(::sigaction(SIGALRM, &action, &before), 0);
  timer_t timer;
  ASSERT_EQ(::timer_create(CLOCK_MONOTONIC, nullptr, &timer), 0);
  const itimerspec soon{{0, 5 * millisecond}, {0, 5 * millisecond}};
  ASSERT_EQ(::timer_settime(timer, 0, &soon, nullptr), 0);
  EXPECT_EQ(reactor_.poll(monotonic_now() + 10'000 * millisecond), -EINTR);
  ::timer_delete(timer);
  ::sigaction(SIGALRM, &before, nullptr);
}

TEST_F(reactor_wakeup, leaves_errno_alone) {
  ASSERT_EQ(reactor_.prepare_interrupt(), 0);
  errno = 12345;
  noted_waiter closed{1000, io_in};
  EXPECT_EQ(reactor_.add(closed), -EBADF);
  reactor_.interrupt();
  reactor_.poll(0);
  EXPECT_EQ(errno, 12345);
}

TEST_F(reactor_wakeup, thousands_of_descriptors) {
  std::vector<fd_pair> pairs;
  std::vector<std::unique_ptr<noted_waiter>> waiters;
  for (int i = 0; i < 1500; ++i) {
    pairs.push_back(make_unix_pair());
    waiters.push_back(std::make_unique<noted_waiter>(pairs.back().first, io_in));
    ASSERT_EQ(reactor_.add(*waiters.back()), 0) << i;
  }
  harvest();
  for (fd_pair& pair : pairs)
    ASSERT_EQ(::write(pair.second, "x", 1), 1);
  int woken = 0;
  for (int n; (n = await()) > 0;) {
    woken += n;
    if (woken == 1500) break;
  }
  EXPECT_EQ(woken, 1500);
  for (auto& w : waiters)
    EXPECT_EQ(w->woken, 1);
}

} // namespace
} // namespace weft::core
