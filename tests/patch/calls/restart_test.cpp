// SPDX-License-Identifier: BSL-1.0
//
// What becomes of a call that a signal interrupted: signal(7)'s table.
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "calling.hpp"
#include "patch/kernel/futex.hpp"

namespace weft::patch {
namespace {

class restart : public calling {
 protected:
  template <class... Arguments>
  green& calls(long number, Arguments... arguments) {
    return start([=, this](green& g) { result = call(g, number, arguments...); });
  }
  void interrupt(green& g, int signal) {
    send_signal(g, directed(signal));
    run();
  }
  void wake(std::uint32_t& futex) {
    m().futexes.wake(&futex, 1, ~0u);
    run();
  }
  std::optional<long> result;
  std::uint32_t word = 0;
};

TEST_F(restart, without_sa_restart_a_wait_without_limit_is_interrupted) {
  handle(SIGUSR1);
  green& g = calls(SYS_futex, &word, FUTEX_WAIT, 0, nullptr);
  interrupt(g, SIGUSR1);
  EXPECT_EQ(result, -EINTR);
  EXPECT_EQ(seen(), numbers{SIGUSR1});
}

TEST_F(restart, with_sa_restart_it_goes_on) {
  handle(SIGUSR1, SA_RESTART);
  green& g = calls(SYS_futex, &word, FUTEX_WAIT, 0, nullptr);
  interrupt(g, SIGUSR1);
  interrupt(g, SIGUSR1);
  EXPECT_EQ(result, std::nullopt);
  EXPECT_EQ(seen(), (numbers{SIGUSR1, SIGUSR1}));
  wake(word);
  EXPECT_EQ(result, 0);
}

TEST_F(restart, one_handler_of_several_is_enough_to_interrupt) {
  handle(SIGUSR1, SA_RESTART);
  handle(SIGUSR2);
  green& g = calls(SYS_futex, &word, FUTEX_WAIT, 0, nullptr);
  send_signal(g, directed(SIGUSR1));
  send_signal(g, directed(SIGUSR2));
  run();
  EXPECT_EQ(result, -EINTR);
  EXPECT_EQ(seen(), (numbers{SIGUSR1, SIGUSR2}));
}

TEST_F(restart, a_restarted_wait_looks_at_the_word_again) {
  handle(SIGUSR1, SA_RESTART);
  green& g = calls(SYS_futex, &word, FUTEX_WAIT, 0, nullptr);
  word = 1;
  interrupt(g, SIGUSR1);
  EXPECT_EQ(result, -EAGAIN);
}

TEST_F(restart, a_futex_wait_with_a_limit_is_interrupted_even_with_sa_restart) {
  handle(SIGUSR1, SA_RESTART);
  const timespec long_time{1000, 0};
  green& g = calls(SYS_futex, &word, FUTEX_WAIT, 0, &long_time);
  interrupt(g, SIGUSR1);
  EXPECT_EQ(result, -EINTR);
}

TEST_F(restart, nanosleep_is_interrupted_always_and_says_what_was_left) {
  handle(SIGUSR1, SA_RESTART);
  const timespec long_time{1000, 0};
  timespec left{};
  green& g = calls(SYS_nanosleep, &long_time, &left);
  interrupt(g, SIGUSR1);
  EXPECT_EQ(result, -EINTR);
  EXPECT_GE(left.tv_sec, 900);
  EXPECT_LT(left.tv_sec, 1000);
}

TEST_F(restart, a_signal_that_is_blocked_or_ignored_interrupts_nothing) {
  handle(SIGUSR1);
  m().signals.actions[SIGUSR2].handler = reinterpret_cast<void*>(SIG_IGN);
  green& g = start([this](green& self) {
    set_blocked(self, signal_bit(SIGUSR1));
    result = call(self, SYS_futex, &word, FUTEX_WAIT, 0, nullptr);
    set_blocked(self, 0);
    self.pending.clear();
  });
  interrupt(g, SIGUSR1);
  interrupt(g, SIGUSR2);
  interrupt(g, SIGCHLD);
  EXPECT_EQ(result, std::nullopt);
  EXPECT_EQ(g.pending.set(), signal_bit(SIGUSR1));
  wake(word);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(seen(), numbers{});
}

TEST_F(restart, a_priority_inheriting_lock_is_waited_for_again) {
  handle(SIGUSR1);
  std::uint32_t lock = static_cast<std::uint32_t>(me().tid);
  green& g = calls(SYS_futex, &lock, FUTEX_LOCK_PI, 0, nullptr);
  interrupt(g, SIGUSR1);
  EXPECT_EQ(result, std::nullopt);
  EXPECT_EQ(seen(), numbers{SIGUSR1});
  EXPECT_EQ(call(me(), SYS_futex, &lock, FUTEX_UNLOCK_PI), 0);
  run();
  EXPECT_EQ(result, 0);
}

TEST_F(restart, a_read_without_sa_restart_is_interrupted_and_goes_on_with_it) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  char c = 0;
  handle(SIGUSR1, SA_RESTART);
  handle(SIGUSR2);
  green& g = calls(SYS_read, ends[0], &c, 1);
  interrupt(g, SIGUSR1);
  EXPECT_EQ(result, std::nullopt);
  interrupt(g, SIGUSR2);
  EXPECT_EQ(result, -EINTR);

  result.reset();
  calls(SYS_read, ends[0], &c, 1);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  while (!result)
    run_until(core::monotonic_now() + 1'000'000);
  EXPECT_EQ(result, 1);
  EXPECT_EQ(c, 'x');
  close(ends[0]);
  close(ends[1]);
}

TEST_F(restart, sigsuspend_waits_with_its_mask_and_gives_the_old_one_back) {
  m().now = phase::active; // alone it would be the kernel's
  handle(SIGUSR1, SA_RESTART);
  const std::uint64_t nothing = 0;
  green& g = start([&](green& self) {
    set_blocked(self, signal_bit(SIGUSR1));
    result = call(self, SYS_rt_sigsuspend, &nothing, 8);
    EXPECT_EQ(self.blocked, signal_bit(SIGUSR1));
    set_blocked(self, 0);
  });
  EXPECT_EQ(g.blocked, 0u);
  interrupt(g, SIGUSR1);
  EXPECT_EQ(result, -EINTR);
  EXPECT_EQ(seen(), numbers{SIGUSR1});
}

TEST_F(restart, sigsuspend_ends_at_once_for_what_was_pending) {
  m().now = phase::active;
  handle(SIGUSR1);
  set_blocked(me(), signal_bit(SIGUSR1));
  send_signal(me(), directed(SIGUSR1));
  const std::uint64_t nothing = 0;
  EXPECT_EQ(call(me(), SYS_rt_sigsuspend, &nothing, 8), -EINTR);
  EXPECT_EQ(seen(), numbers{SIGUSR1});
  set_blocked(me(), 0);
}

TEST_F(restart, pause_ends_with_a_handler_only) {
  handle(SIGUSR1, SA_RESTART);
  green& g = calls(SYS_pause);
  interrupt(g, SIGCHLD);
  EXPECT_EQ(result, std::nullopt);
  interrupt(g, SIGUSR1);
  EXPECT_EQ(result, -EINTR);
}

TEST_F(restart, what_was_pending_is_handled_at_the_end_of_any_call) {
  handle(SIGUSR1);
  set_blocked(me(), signal_bit(SIGUSR1));
  send_signal(me(), directed(SIGUSR1));
  const std::uint64_t bit = signal_bit(SIGUSR1);
  EXPECT_EQ(call(me(), SYS_rt_sigprocmask, SIG_UNBLOCK, &bit, nullptr, 8), 0) << "no EINTR";
  EXPECT_EQ(seen(), numbers{SIGUSR1});
}

} // namespace
} // namespace weft::patch
