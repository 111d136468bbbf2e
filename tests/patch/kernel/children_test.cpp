// SPDX-License-Identifier: BSL-1.0
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "patch/kernel/errors.hpp"
#include "patch/kernel/own_descriptors.hpp"
#include "patch/kernel/process.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/sites/entry.hpp"
#include "stage.hpp"

namespace weft::patch {
namespace {

/// Real children, whose making is told to the patch as the entry stub tells it.
class children : public stage {
 protected:
  ~children() override {
    for (const pid_t pid : alive_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
      forget_child(pid);
    }
  }

  template <class Body>
  pid_t fork_child(Body&& body) {
    before_spawn(me(), 0);
    const pid_t pid = fork();
    syscall_frame frame{};
    frame.rax = static_cast<std::uint64_t>(pid);
    weft_after_spawn(&frame);
    if (pid == 0) _exit(body());
    alive_.push_back(pid);
    return pid;
  }
  pid_t sleeping_child() {
    return fork_child([] {
      for (;;)
        pause();
      return 0;
    });
  }
  int reap(pid_t pid) {
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, WNOHANG), pid) << "it was said to have ended";
    forget_child(pid);
    std::erase(alive_, pid);
    return status;
  }
  int ends_with(pid_t pid) {
    EXPECT_EQ(wait_for_children(me(), pid, 0), 0);
    const int status = reap(pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  std::vector<pid_t> alive_;
};

TEST_F(children, a_wait_ends_with_the_child) {
  EXPECT_TRUE(m().children.empty());
  const pid_t pid = fork_child([] { return 7; });
  EXPECT_FALSE(m().children.empty());
  EXPECT_EQ(ends_with(pid), 7);
  EXPECT_TRUE(m().children.empty());
}

TEST_F(children, others_run_while_one_waits) {
  const pid_t pid = sleeping_child();
  bool killed = false;
  start([&](green& g) {
    std::uint32_t gate = 0;
    m().futexes.wait(g, &gate, 0, ~0u, soon());
    killed = true;
    kill(pid, SIGKILL);
  });
  EXPECT_EQ(wait_for_children(me(), pid, 0), 0);
  EXPECT_TRUE(killed);
  EXPECT_TRUE(WIFSIGNALED(reap(pid)));
}

TEST_F(children, waiting_for_any_ends_with_the_first) {
  const pid_t sleeper = sleeping_child();
  const pid_t first = fork_child([] { return 3; });
  EXPECT_EQ(wait_for_children(me(), -1, 0), 0);
  EXPECT_EQ(WEXITSTATUS(reap(first)), 3);
  EXPECT_EQ(waitpid(sleeper, nullptr, WNOHANG), 0);
}

TEST_F(children, the_end_of_another_does_not_end_a_wait_for_one) {
  const pid_t wanted = sleeping_child();
  const pid_t other = fork_child([] { return 0; });
  bool over = false;
  start([&](green& g) {
    EXPECT_EQ(wait_for_children(g, wanted, 0), 0);
    over = true;
  });
  EXPECT_EQ(ends_with(other), 0);
  run();
  EXPECT_FALSE(over);
  kill(wanted, SIGKILL);
  EXPECT_EQ(wait_for_children(me(), wanted, 0), 0);
  run();
  EXPECT_TRUE(over) << "two may wait for one";
  EXPECT_TRUE(WIFSIGNALED(reap(wanted)));
}

TEST_F(children, a_stopped_child_is_looked_for_again_and_again) {
  const pid_t pid = sleeping_child();
  kill(pid, SIGSTOP);
  for (int looks = 0; looks < 200; ++looks) {
    ASSERT_EQ(wait_for_children(me(), pid, WUNTRACED), 0) << "it ends for another look";
    int status = 0;
    if (waitpid(pid, &status, WNOHANG | WUNTRACED) == pid) {
      EXPECT_TRUE(WIFSTOPPED(status));
      return;
    }
  }
  FAIL() << "never seen";
}

TEST_F(children, a_signal_ends_the_wait) {
  const pid_t pid = sleeping_child();
  long result = 0;
  green& g = start([&](green& self) { result = wait_for_children(self, pid, 0); });
  unpark(g, wakeup::signal);
  run();
  EXPECT_EQ(result, restart_if_allowed);
}

TEST_F(children, more_than_can_be_watched_at_once) {
  std::vector<pid_t> all;
  for (int i = 0; i < 50; ++i)
    all.push_back(sleeping_child());
  for (std::size_t i = all.size(); i-- > 0;) {
    kill(all[i], SIGKILL);
    for (;;) {
      ASSERT_EQ(wait_for_children(me(), -1, 0), 0);
      siginfo_t info{};
      ASSERT_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), 0);
      if (info.si_pid == 0) continue;
      ASSERT_EQ(info.si_pid, all[i]);
      break;
    }
    EXPECT_TRUE(WIFSIGNALED(reap(all[i])));
  }
  EXPECT_TRUE(m().children.empty());
  EXPECT_EQ(next_own_descriptor(0, ~0u), m().reactor.epoll_descriptor())
      << "their pidfds are closed";
}

TEST_F(children, pidfds_are_out_of_the_program_s_reach_however_many) {
  std::vector<pid_t> all;
  for (int i = 0; i < 30; ++i)
    all.push_back(sleeping_child());
  start([&](green& g) { EXPECT_EQ(wait_for_children(g, -1, 0), 0); });
  int known = 0;
  for (int fd = next_own_descriptor(0, ~0u); fd >= 0;
       fd = next_own_descriptor(static_cast<unsigned>(fd) + 1, ~0u))
    ++known;
  EXPECT_GE(known, 31) << "30 and the epoll instance";
  kill(all.front(), SIGKILL);
  EXPECT_EQ(wait_for_children(me(), all.front(), 0), 0);
  run();
}

TEST_F(children, the_child_starts_with_clean_books) {
  bystander(signal_bit(SIGUSR1));
  sleeping_child();
  siginfo_t info{};
  info.si_signo = SIGUSR2;
  me().pending.push(info);
  set_blocked(me(), signal_bit(SIGUSR2) | signal_bit(SIGHUP));
  std::uint32_t word = 0;
  start([&](green& g) { m().futexes.wait(g, &word, 0, ~0u, core::never); });
  // Bits of its exit status say what is wrong in it.
  const pid_t pid = fork_child([&] {
    int wrong = 0;
    if (m().count != 1 || &m().all.front() != &me()) wrong |= 1;
    if (me().tid != getpid() || find_thread(getpid()) != &me() || m().main_tid != getpid())
      wrong |= 2;
    if (!m().children.empty()) wrong |= 4;
    if (me().pending.set() != 0) wrong |= 8;
    if (m().now != phase::single) wrong |= 16;
    if (m().futexes.wake(&word, 1, ~0u) != 0 || next_own_descriptor(0, ~0u) != -1) wrong |= 32;
    std::uint64_t mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &mask, 8);
    if (mask != me().blocked || w().kernel_mask != mask) wrong |= 64;
    return wrong;
  });
  EXPECT_EQ(ends_with(pid), 0);
  me().pending.clear();
  set_blocked(me(), 0);
}

TEST_F(children, the_parent_s_books_stay) {
  green& other = bystander(signal_bit(SIGUSR1));
  set_blocked(me(), signal_bit(SIGHUP));
  const pid_t pid = fork_child([] { return 0; });
  EXPECT_EQ(m().count, 2u);
  EXPECT_EQ(m().main_tid, getpid());
  EXPECT_EQ(w().kernel_mask, 0u) << "the intersection again, after the fork had the caller's";
  EXPECT_EQ(ends_with(pid), 0);
  set_blocked(me(), 0);
  dismiss(other);
}

/// vfork: the child runs on this memory, where weft must not be at work.
TEST_F(children, one_that_shares_memory_passes_through_meanwhile) {
  before_spawn(me(), CLONE_VM | CLONE_VFORK);
  EXPECT_EQ(me().passthrough, 1);
  syscall_frame frame{};
  frame.rax = static_cast<std::uint64_t>(-EAGAIN);
  weft_after_spawn(&frame);
  EXPECT_EQ(me().passthrough, 0);
  EXPECT_TRUE(m().children.empty()) << "it failed";
}

} // namespace
} // namespace weft::patch
