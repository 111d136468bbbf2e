// SPDX-License-Identifier: BSL-1.0
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calling.hpp"

namespace weft::patch {
namespace {

class signal_calls : public calling {
 protected:
  std::uint64_t mask_of_me() {
    std::uint64_t mask = 0;
    EXPECT_EQ(call(me(), SYS_rt_sigprocmask, 99, nullptr, &mask, 8), 0) << "how counts with a set";
    return mask;
  }
  static constexpr std::uint64_t usr1 = signal_bit(SIGUSR1), usr2 = signal_bit(SIGUSR2);
};

TEST_F(signal_calls, sigprocmask) {
  const std::uint64_t first = usr1, second = usr2;
  std::uint64_t before = 1;
  EXPECT_EQ(call(me(), SYS_rt_sigprocmask, SIG_SETMASK, &first, &before, 8), 0);
  EXPECT_EQ(before, 0u);
  EXPECT_EQ(call(me(), SYS_rt_sigprocmask, SIG_BLOCK, &second, &before, 8), 0);
  EXPECT_EQ(before, usr1);
  EXPECT_EQ(mask_of_me(), usr1 | usr2);
  EXPECT_EQ(call(me(), SYS_rt_sigprocmask, SIG_UNBLOCK, &first, nullptr, 8), 0);
  EXPECT_EQ(mask_of_me(), usr2);
  EXPECT_EQ(call(me(), SYS_rt_sigprocmask, 99, &first, nullptr, 8), -EINVAL);
  EXPECT_EQ(call(me(), SYS_rt_sigprocmask, SIG_BLOCK, &first, nullptr, 16), -EINVAL);
  EXPECT_EQ(mask_of_me(), usr2);
}

TEST_F(signal_calls, one_variable_may_be_both_set_and_result) {
  std::uint64_t both = usr1;
  EXPECT_EQ(call(me(), SYS_rt_sigprocmask, SIG_SETMASK, &both, &both, 8), 0);
  EXPECT_EQ(both, 0u);
  EXPECT_EQ(mask_of_me(), usr1);
}

TEST_F(signal_calls, sigpending_is_the_thread_s_own_and_the_process_s) {
  const std::uint64_t set = usr1 | usr2;
  call(me(), SYS_rt_sigprocmask, SIG_SETMASK, &set, nullptr, 8);
  handle(SIGUSR1);
  send_signal(me(), directed(SIGUSR1));
  EXPECT_EQ(kill(getpid(), SIGUSR2), 0);
  std::uint64_t found = 0;
  EXPECT_EQ(call(me(), SYS_rt_sigpending, &found, 8), 0);
  EXPECT_EQ(found, usr1 | usr2);
  std::uint64_t others = 1;
  start([&](green& g) { EXPECT_EQ(call(g, SYS_rt_sigpending, &others, 8), 0); });
  EXPECT_EQ(others, usr2) << "it blocks the same, but nothing was sent to it";
  siginfo_t info;
  EXPECT_EQ(call(me(), SYS_rt_sigtimedwait, &set, &info, nullptr, 8), SIGUSR1);
  EXPECT_EQ(call(me(), SYS_rt_sigtimedwait, &set, &info, nullptr, 8), SIGUSR2);
  EXPECT_EQ(info.si_pid, getpid());
}

TEST_F(signal_calls, tgkill_reaches_the_thread_that_is_named) {
  handle(SIGUSR1);
  numbers before;
  green& g = start([&](green& self) {
    EXPECT_EQ(call(self, SYS_pause), -EINTR);
    before = seen();
  });
  const pid_t process = getpid(), tid = g.tid;
  EXPECT_EQ(call(me(), SYS_tgkill, process, tid, 0), 0) << "is it there?";
  EXPECT_EQ(call(me(), SYS_tgkill, process, tid, 65), -EINVAL);
  EXPECT_EQ(call(me(), SYS_tgkill, process, tid, -1), -EINVAL);
  EXPECT_EQ(call(me(), SYS_tgkill, process, tid + 1, SIGUSR1), -ESRCH);
  EXPECT_EQ(call(me(), SYS_tgkill, process + 1, tid, SIGUSR1), native);
  EXPECT_EQ(seen(), numbers{});
  EXPECT_EQ(call(me(), SYS_tgkill, process, tid, SIGUSR1), 0);
  run();
  EXPECT_EQ(before, numbers{SIGUSR1});
  EXPECT_EQ(call(me(), SYS_tgkill, process, tid, 0), -ESRCH) << "it has ended";
}

TEST_F(signal_calls, sigtimedwait_takes_what_is_sent_to_it_and_not_by_a_handler) {
  handle(SIGUSR1);
  const std::uint64_t set = usr1;
  siginfo_t info{};
  std::optional<long> result;
  green& g = start([&](green& self) {
    set_blocked(self, usr1);
    result = call(self, SYS_rt_sigtimedwait, &set, &info, nullptr, 8);
    set_blocked(self, 0);
  });
  EXPECT_EQ(result, std::nullopt);
  EXPECT_EQ(call(me(), SYS_tgkill, getpid(), g.tid, SIGUSR1), 0);
  run();
  EXPECT_EQ(result, SIGUSR1);
  EXPECT_EQ(info.si_code, SI_TKILL);
  EXPECT_EQ(info.si_pid, getpid());
  EXPECT_EQ(seen(), numbers{});
}

TEST_F(signal_calls, sigtimedwait_takes_the_process_s_signals) {
  const std::uint64_t set = usr1;
  std::optional<long> result;
  set_blocked(me(), usr1);
  start([&](green& self) {
    set_blocked(self, usr1);
    result = call(self, SYS_rt_sigtimedwait, &set, nullptr, nullptr, 8);
  });
  EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
  while (!result)
    run_until(core::monotonic_now() + 1'000'000);
  EXPECT_EQ(result, SIGUSR1);
  set_blocked(me(), 0);
  EXPECT_EQ(w().kernel_mask, 0u) << "nobody waits for it any more";
}

TEST_F(signal_calls, sigtimedwait_ends_with_its_time_or_another_signal) {
  const std::uint64_t set = usr1;
  const timespec none{0, 0}, little{0, 1'000'000}, wrong{0, -1};
  EXPECT_EQ(call(me(), SYS_rt_sigtimedwait, &set, nullptr, &none, 8), -EAGAIN);
  EXPECT_EQ(call(me(), SYS_rt_sigtimedwait, &set, nullptr, &little, 8), -EAGAIN);
  EXPECT_EQ(call(me(), SYS_rt_sigtimedwait, &set, nullptr, &wrong, 8), -EINVAL);
  EXPECT_EQ(call(me(), SYS_rt_sigtimedwait, &set, nullptr, &none, 4), -EINVAL);
  handle(SIGUSR2, SA_RESTART);
  std::optional<long> result;
  green& g = start(
      [&](green& self) { result = call(self, SYS_rt_sigtimedwait, &set, nullptr, nullptr, 8); });
  send_signal(g, directed(SIGUSR2));
  run();
  EXPECT_EQ(result, -EINTR);
  EXPECT_EQ(seen(), numbers{SIGUSR2});
}

TEST_F(signal_calls, sigaction_tells_what_it_was_told) {
  using action = signal_state::action;
  const auto handler = reinterpret_cast<void*>(+[](int) {});
  const action next{handler, SA_RESTART | SA_NODEFER, reinterpret_cast<void*>(0x1234), usr2};
  action found;
  EXPECT_EQ(call(me(), SYS_rt_sigaction, SIGUSR1, &next, &found, 8), 0);
  EXPECT_EQ(found.handler, nullptr);
  EXPECT_EQ(call(me(), SYS_rt_sigaction, SIGUSR1, nullptr, &found, 8), 0);
  EXPECT_EQ(found.handler, handler);
  EXPECT_EQ(found.flags, next.flags);
  EXPECT_EQ(found.restorer, next.restorer);
  EXPECT_EQ(found.mask, usr2);
  const action reset{};
  EXPECT_EQ(call(me(), SYS_rt_sigaction, SIGUSR1, &reset, nullptr, 8), 0);
  for (const int wrong : {0, -1, 65, SIGKILL, SIGSTOP})
    EXPECT_EQ(call(me(), SYS_rt_sigaction, wrong, &next, nullptr, 8), -EINVAL) << wrong;
  EXPECT_EQ(call(me(), SYS_rt_sigaction, SIGKILL, nullptr, &found, 8), 0) << "asking is allowed";
  EXPECT_EQ(call(me(), SYS_rt_sigaction, SIGUSR1, nullptr, &found, 4), -EINVAL);
}

} // namespace
} // namespace weft::patch
