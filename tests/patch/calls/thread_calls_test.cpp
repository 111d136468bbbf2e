// SPDX-License-Identifier: BSL-1.0
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <string>

#include "calling.hpp"
#include "patch/kernel/futex.hpp"

namespace weft::patch {
namespace {

class thread_calls : public calling {
 protected:
  std::uint32_t word = 0, other = 0;
};

TEST_F(thread_calls, each_has_its_own_tid) {
  EXPECT_EQ(call(me(), SYS_gettid), me().tid);
  green& g = start([&](green& self) {
    EXPECT_EQ(call(self, SYS_gettid), self.tid);
    call(self, SYS_futex, &word, FUTEX_WAIT, 0, nullptr);
  });
  EXPECT_NE(g.tid, me().tid);
  call(me(), SYS_futex, &word, FUTEX_WAKE, 1);
  run();
}

TEST_F(thread_calls, futex_waits_and_wakes_through_every_operation) {
  diary notes;
  const auto waits = [&](const char* name, int operation, std::uint32_t bits) {
    start([&, name, operation, bits](green& g) {
      EXPECT_EQ(call(g, SYS_futex, &word, operation, 0, nullptr, nullptr, bits), 0);
      notes.note(name);
    });
  };
  waits("plain", FUTEX_WAIT, 0);
  waits("private", FUTEX_WAIT_PRIVATE, 0);
  waits("bits", FUTEX_WAIT_BITSET, 2);
  waits("clock", FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 4);
  EXPECT_EQ(call(me(), SYS_futex, &word, FUTEX_WAKE_BITSET, 10, nullptr, nullptr, 4), 3)
      << "the first two are for all bits";
  run();
  EXPECT_EQ(notes.read(), "plain private clock");
  EXPECT_EQ(call(me(), SYS_futex, &word, FUTEX_CMP_REQUEUE, 0, 5, &other, 1), -EAGAIN);
  EXPECT_EQ(call(me(), SYS_futex, &word, FUTEX_CMP_REQUEUE, 0, 5, &other, 0), 1);
  EXPECT_EQ(call(me(), SYS_futex, &word, FUTEX_WAKE, 1), 0);
  EXPECT_EQ(call(me(), SYS_futex, &other, FUTEX_WAKE, 1), 1);
  run();
  EXPECT_EQ(notes.read(), "bits");
}

TEST_F(thread_calls, futex_limits_are_spans_or_points_as_the_operation_has_it) {
  const timespec wrong{0, 1'000'000'000}, negative{-1, 0}, past{1, 0}, span{0, 5'000'000};
  const auto wait = [&](int operation, const timespec* time) {
    return call(me(), SYS_futex, &word, operation, 0, time, nullptr, ~0u);
  };
  EXPECT_EQ(wait(FUTEX_WAIT, &wrong), -EINVAL);
  EXPECT_EQ(wait(FUTEX_WAIT_BITSET, &negative), -EINVAL);
  EXPECT_EQ(wait(FUTEX_WAIT_BITSET, &past), -ETIMEDOUT);
  EXPECT_EQ(wait(FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, &past), -ETIMEDOUT);
  const core::nanoseconds before = core::monotonic_now();
  EXPECT_EQ(wait(FUTEX_WAIT, &span), -ETIMEDOUT);
  EXPECT_GE(core::monotonic_now(), before + 5'000'000);

  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const timespec later{now.tv_sec + 1, now.tv_nsec};
  std::uint32_t lock = 4194306; // somebody's, so that it is waited for
  green& owner = bystander();
  lock = static_cast<std::uint32_t>(owner.tid);
  EXPECT_EQ(call(me(), SYS_futex, &lock, FUTEX_LOCK_PI, 0, &past), -ETIMEDOUT)
      << "a point on the realtime clock";
  EXPECT_EQ(call(me(), SYS_futex, &lock, FUTEX_LOCK_PI2, 0, &past), -ETIMEDOUT);
  const core::nanoseconds start_of_wait = core::monotonic_now();
  EXPECT_EQ(call(me(), SYS_futex, &lock, FUTEX_LOCK_PI, 0, &later), -ETIMEDOUT);
  EXPECT_GE(core::monotonic_now(), start_of_wait + 500'000'000);
  dismiss(owner);
}

TEST_F(thread_calls, what_futex_does_not_know_is_the_kernel_s_to_refuse) {
  EXPECT_EQ(call(me(), SYS_futex, &word, 60, 0), native);
  EXPECT_EQ(call(me(), SYS_futex, &word, FUTEX_FD, 0), native);
  EXPECT_EQ(call(me(), SYS_futex, &word, FUTEX_CMP_REQUEUE_PI, 2, 0, &other, 0), -EINVAL);
}

TEST_F(thread_calls, robust_lists_are_each_thread_s) {
  robust_list_head mine{}, theirs{};
  green& g = bystander();
  EXPECT_EQ(call(g, SYS_set_robust_list, &theirs, sizeof theirs - 1), -EINVAL);
  EXPECT_EQ(call(g, SYS_set_robust_list, &theirs, sizeof theirs), 0);
  EXPECT_EQ(call(me(), SYS_set_robust_list, &mine, sizeof mine), native)
      << "the first thread's is the kernel's too, for when the process is killed";
  robust_list_head* found = nullptr;
  std::size_t size = 0;
  EXPECT_EQ(call(me(), SYS_get_robust_list, 0, &found, &size), 0);
  EXPECT_EQ(found, &mine);
  EXPECT_EQ(size, sizeof mine);
  EXPECT_EQ(call(me(), SYS_get_robust_list, g.tid, &found, &size), 0);
  EXPECT_EQ(found, &theirs);
  EXPECT_EQ(call(me(), SYS_get_robust_list, 1, &found, &size), native) << "another process";
  dismiss(g);
}

TEST_F(thread_calls, a_thread_s_name_is_its_own_and_cut_as_by_the_kernel) {
  EXPECT_EQ(call(me(), SYS_prctl, PR_SET_NAME, "main"), native) << "the process's";
  green& g = bystander();
  char found[16] = {};
  EXPECT_EQ(call(g, SYS_prctl, PR_SET_NAME, "a-name-that-is-too-long"), 0);
  EXPECT_EQ(call(g, SYS_prctl, PR_GET_NAME, found), 0);
  EXPECT_STREQ(found, "a-name-that-is-");
  EXPECT_EQ(call(g, SYS_prctl, PR_SET_NAME, "x"), 0);
  EXPECT_EQ(call(g, SYS_prctl, PR_GET_NAME, found), 0);
  EXPECT_STREQ(found, "x");
  dismiss(g);
}

TEST_F(thread_calls, asking_for_the_scheduling_of_a_green_thread_tells_the_workers) {
  green& g = bystander();
  cpu_set_t set;
  EXPECT_GT(call(me(), SYS_sched_getaffinity, g.tid, sizeof set, &set), 0);
  EXPECT_EQ(call(me(), SYS_sched_getscheduler, g.tid), SCHED_OTHER);
  EXPECT_EQ(call(me(), SYS_sched_getscheduler, 0), SCHED_OTHER);
  EXPECT_EQ(call(me(), SYS_sched_getscheduler, 1), native);
  dismiss(g);
}

TEST_F(thread_calls, rseq_is_accepted_and_says_that_it_is_of_no_use) {
  std::uint32_t area[8] = {};
  green& g = bystander();
  EXPECT_EQ(call(g, SYS_rseq, area, sizeof area, 0, 0), 0);
  EXPECT_EQ(static_cast<std::int32_t>(area[1]), -2);
  dismiss(g);
}

TEST_F(thread_calls, stacks_are_told_from_other_mappings) {
  constexpr std::size_t size = 256 * 1024;
  constexpr int stack = MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK;
  const long at = call(me(), SYS_mmap, nullptr, size, PROT_NONE, stack, -1, 0);
  ASSERT_GT(at, 0);
  EXPECT_EQ(call(me(), SYS_mmap, nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            native);
  EXPECT_EQ(call(me(), SYS_mmap, at, size, PROT_NONE, stack, -1, 0), native)
      << "a wished-for place";
  EXPECT_EQ(call(me(), SYS_mprotect, at + 4096, size - 4096, PROT_READ | PROT_WRITE), 0);
  reinterpret_cast<char*>(at)[size - 1] = 1;
  EXPECT_EQ(call(me(), SYS_madvise, at + 4096, 4096, MADV_DONTNEED), 0);
  EXPECT_EQ(call(me(), SYS_munmap, at, size), 0);
  char other_memory = 0;
  EXPECT_EQ(call(me(), SYS_mprotect, &other_memory, 1, PROT_READ), native);
  EXPECT_EQ(call(me(), SYS_munmap, &other_memory, 1), native);
  EXPECT_EQ(call(me(), SYS_madvise, &other_memory, 1, MADV_DONTNEED), native);
}

} // namespace
} // namespace weft::patch
