// SPDX-License-Identifier: BSL-1.0
// Every awkward position, first native, then rewritten and answered by the dispatcher.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "tests/patch/sites/patched_awkward.hpp"
#include "tests/patch/sites/test_dispatcher.hpp"

using namespace weft::patch;
using testing_answer = weft::patch::testing::answer;
using weft::patch::testing::awkward_object;
using weft::patch::testing::dispatcher;
using weft::patch::testing::virtual_scope;

namespace {

constexpr long magic(long nr) {
  return 1000 + nr;
}

site_report report;
patch_status status;

/// Why the site in `function` was refused; empty if it was not.
template <class F>
std::string refusal(F* function) {
  const auto base = awkward_object().base;
  const auto begin = reinterpret_cast<std::uintptr_t>(function) - base;
  for (unsigned i = 0; i < report.refused; ++i)
    if (report.list[i].address >= begin && report.list[i].address < begin + 48)
      return report.list[i].reason;
  return {};
}

/// The library is patched once; what it answered before is kept.
struct native_answers {
  long call = awkward_call(SYS_getppid), plain = awkward_plain();
  long behind = awkward_address_behind(SYS_getuid), immediate = awkward_immediate();
} native;

class awkward : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    status = patch_object(
        awkward_object(), [](int nr) { return nr != SYS_getgid; }, patch_mode::early, report);
  }
};

TEST_F(awkward, is_patched_as_far_as_can_be) {
  ASSERT_EQ(status, patch_status::ok) << describe(status);
  EXPECT_EQ(report.objects, 1u);
  EXPECT_EQ(report.found, report.patched + report.unwanted + report.refused);
  EXPECT_EQ(report.refused, 4u);
  EXPECT_EQ(report.undecided, 1u); // a table amid the code
  EXPECT_EQ(report.unwanted, 2u);  // getgid, rt_sigreturn
}

TEST_F(awkward, answers_as_before_while_nothing_is_virtual) {
  EXPECT_EQ(awkward_plain(), getppid());
  EXPECT_EQ(awkward_at_start(), getppid());
  EXPECT_EQ(awkward_entered(0), getpid());
  EXPECT_EQ(awkward_entered(1), getppid());
  EXPECT_EQ(awkward_number_in_memory(), getppid());
  EXPECT_EQ(awkward_address_behind(SYS_getuid), native.behind);
  EXPECT_EQ(awkward_back_to_back(), getpid() + getppid());
  EXPECT_EQ(awkward_loop(), getppid());
  EXPECT_EQ(awkward_wide_register(), getppid());
  EXPECT_EQ(awkward_zero(), -EBADF);
  EXPECT_EQ(awkward_switch(0), getuid());
  EXPECT_EQ(awkward_switch(1), getpid());
  EXPECT_EQ(awkward_cold(1), getgid());
  EXPECT_EQ(awkward_cold(0), getppid());
  EXPECT_EQ(awkward_gap_plain(), getppid());
  EXPECT_EQ(awkward_gap(), getppid());
  EXPECT_EQ(awkward_call(SYS_getppid), native.call);
  EXPECT_EQ(awkward_call(100000), -ENOSYS);
  EXPECT_EQ(awkward_call(-1), -ENOSYS);
  EXPECT_EQ(dispatcher.dispatched, 0u);
}

TEST_F(awkward, reaches_the_dispatcher) {
  const virtual_scope scope(testing_answer::number);
  EXPECT_EQ(awkward_plain(), magic(SYS_getppid));
  EXPECT_EQ(awkward_at_start(), magic(SYS_getppid));
  EXPECT_EQ(awkward_entered(0), magic(SYS_getpid));
  EXPECT_EQ(awkward_entered(1), magic(SYS_getppid));
  EXPECT_EQ(awkward_number_in_memory(), magic(SYS_getppid));
  EXPECT_EQ(awkward_address_behind(SYS_getuid), magic(SYS_getuid) - 110);
  EXPECT_EQ(awkward_back_to_back(), magic(SYS_getpid) + magic(SYS_getppid));
  EXPECT_EQ(awkward_wide_register(), magic(SYS_getppid));
  EXPECT_EQ(awkward_zero(), magic(SYS_read));
  EXPECT_EQ(awkward_switch(0), magic(SYS_getuid));
  EXPECT_EQ(awkward_gap_plain(), magic(SYS_getppid));
  EXPECT_EQ(awkward_gap(), magic(SYS_getppid));
  EXPECT_EQ(awkward_call(SYS_getppid), magic(SYS_getppid));
  dispatcher.dispatched = 0;
  EXPECT_EQ(awkward_loop(), magic(SYS_getppid));
  EXPECT_EQ(dispatcher.dispatched, 2u);
}

TEST_F(awkward, keeps_what_may_be_entered_in_its_middle) {
  EXPECT_EQ(refusal(awkward_switch), "a branch goes into its middle");
  EXPECT_EQ(refusal(awkward_cold), "a branch of another function may go into its middle");
  EXPECT_EQ(refusal(awkward_no_room), "its neighbours are too short or cannot be moved");
  EXPECT_EQ(refusal(awkward_twice), "its neighbours are too short or cannot be moved");
  const virtual_scope scope(testing_answer::number);
  EXPECT_EQ(awkward_switch(1), getpid());
  EXPECT_EQ(awkward_cold(0), getppid());
  EXPECT_EQ(awkward_no_room(SYS_getppid), getppid());
}

TEST_F(awkward, leaves_the_unwanted_and_what_is_no_call) {
  EXPECT_EQ(awkward_immediate(), native.immediate);
  const virtual_scope scope(testing_answer::number);
  EXPECT_EQ(awkward_unwanted(), getgid());
}

TEST_F(awkward, knows_constant_numbers) {
  const auto base = awkward_object().base;
  for (unsigned i = 0; i < report.refused; ++i) {
    const auto at = report.list[i].address + base;
    if (at - reinterpret_cast<std::uintptr_t>(&awkward_no_room) < 16) {
      EXPECT_EQ(report.list[i].nr, -1);
    }
    if (at - reinterpret_cast<std::uintptr_t>(&awkward_switch) < 36) {
      EXPECT_EQ(report.list[i].nr, SYS_getuid);
    }
  }
}

TEST_F(awkward, passthrough_and_threads_without_state_bypass_the_dispatcher) {
  virtual_scope scope(testing_answer::number);
  scope.state.passthrough = 1;
  EXPECT_EQ(awkward_plain(), getppid());
  scope.state.passthrough = 0;
  weft_self = nullptr;
  EXPECT_EQ(awkward_plain(), getppid());
  weft_self = &scope.state;
  weft_virtual[SYS_getppid] = 0;
  EXPECT_EQ(awkward_plain(), getppid());
  weft_virtual[SYS_getppid] = 1;
  EXPECT_EQ(awkward_plain(), magic(SYS_getppid));
}

TEST_F(awkward, frame_says_where_the_call_came_from) {
  const virtual_scope scope(testing_answer::number);
  awkward_plain();
  // mov (5), syscall (2)
  EXPECT_EQ(dispatcher.last.resume, reinterpret_cast<std::uintptr_t>(&awkward_plain) + 7);
  EXPECT_EQ(dispatcher.last.rax, static_cast<std::uint64_t>(SYS_getppid));
  awkward_call(SYS_getuid, 1, 2, 3, 4, 5);
  EXPECT_EQ(dispatcher.last.rdi, 1u);
  EXPECT_EQ(dispatcher.last.rsi, 2u);
  EXPECT_EQ(dispatcher.last.rdx, 3u);
  EXPECT_EQ(dispatcher.last.r10, 4u);
  EXPECT_EQ(dispatcher.last.r8, 5u);
}

} // namespace
