// SPDX-License-Identifier: BSL-1.0
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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
  template <class Body>
  pid_t fork_child(Body&& body) {
    before_spawn(me(), 0);
    const pid_t pid = fork();
    syscall_frame frame{};
    frame.rax = static_cast<std::uint64_t>(pid);
    weft_after_spawn(&frame);
    if (pid == 0) _exit(body());
    return pid;
  }
  static int ends_with(pid_t pid) {
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_F(children, the_child_starts_with_clean_books) {
  bystander(signal_bit(SIGUSR1));
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
  EXPECT_FALSE(me().spawning);
}

} // namespace
} // namespace weft::patch
