// SPDX-License-Identifier: BSL-1.0
// A system call clobbers rax, rcx and r11 and nothing else, whichever way it takes.
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>

#include "tests/patch/sites/patched_awkward.hpp"
#include "tests/patch/sites/test_dispatcher.hpp"

using namespace weft::patch;
using testing_answer = weft::patch::testing::answer;
using weft::patch::testing::dispatcher;
using weft::patch::testing::virtual_scope;
using weft::patch::testing::waiter_lists;

namespace {

constexpr std::uint64_t carry = 1, parity = 4, adjust = 16, zero = 64, sign = 128, direction = 1024,
                        overflow = 2048, alignment = 1 << 18;
constexpr std::uint64_t always_set = 0x202;

struct alignas(64) aligned_registers : registers {};

registers pattern(long nr, std::uint64_t flags) {
  aligned_registers r;
  auto* word = reinterpret_cast<std::uint64_t*>(static_cast<registers*>(&r));
  for (std::size_t i = 0; i < sizeof(registers) / 8; ++i)
    word[i] = 0x0123456789abcdef * (i + 3);
  r.rax = static_cast<std::uint64_t>(nr);
  r.rsp = 0;
  r.unused = 0;
  r.rflags = flags | always_set;
  return r;
}

/// What should be found, given what was.
registers expected(const registers& in, const registers& out) {
  registers e = in;
  e.rax = out.rax;
  return e;
}

enum class way { fast, passthrough, done, native, spawn };

class registers_kept : public ::testing::TestWithParam<std::tuple<way, std::uint64_t>> {
 protected:
  void SetUp() override { ASSERT_TRUE(weft::patch::testing::patch_awkward()); }

  static registers call(way w, const registers& in) {
    alignas(64) registers aligned_in = in, out{};
    dispatcher.dispatched = 0;
    dispatcher.after_spawns = 0;
    std::unique_ptr<virtual_scope> scope;
    if (w != way::fast)
      scope = std::make_unique<virtual_scope>(w == way::native  ? testing_answer::native
                                              : w == way::spawn ? testing_answer::spawn
                                                                : testing_answer::number);
    if (w == way::passthrough) scope->state.passthrough = 1;
    awkward_registers(&aligned_in, &out);
    return out;
  }
};

TEST_P(registers_kept, by_an_ordinary_call) {
  const auto [w, flags] = GetParam();
  const auto in = pattern(SYS_getppid, flags);
  const auto out = call(w, in);
  EXPECT_EQ(out, expected(in, out));
  EXPECT_EQ(out.rflags & ~always_set, flags);
  EXPECT_EQ(out.rax,
            w == way::done ? 1000ull + SYS_getppid : static_cast<std::uint64_t>(getppid()));
  const bool reached = w == way::done || w == way::native || w == way::spawn;
  EXPECT_EQ(dispatcher.dispatched > 0, reached);
}

registers wake(std::uint64_t flags, int operation = FUTEX_WAKE_PRIVATE, int most = 1,
               std::uint64_t word = 0x7654321098) {
  auto in = pattern(SYS_futex, flags);
  in.rdi = word;
  in.rsi = static_cast<std::uint64_t>(operation);
  in.rdx = static_cast<std::uint64_t>(most);
  return in;
}

class registers_kept_by_wake : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(weft::patch::testing::patch_awkward());
    dispatcher.woken = 0;
  }
  static registers call(const registers& in) {
    const virtual_scope scope(testing_answer::number);
    alignas(64) const registers aligned_in = in;
    alignas(64) registers out{};
    awkward_registers(&aligned_in, &out);
    EXPECT_EQ(out, expected(in, out));
    EXPECT_EQ(out.rflags, in.rflags);
    return out;
  }
};

TEST_P(registers_kept_by_wake, of_nobody) {
  const waiter_lists lists(true);
  EXPECT_EQ(call(wake(GetParam())).rax, 0u);
  EXPECT_EQ(dispatcher.dispatched, 0u);
  EXPECT_EQ(dispatcher.woken, 0u);
}

TEST_P(registers_kept_by_wake, of_one) {
  const waiter_lists lists(false);
  dispatcher.wakes = quick_wake::done;
  EXPECT_EQ(call(wake(GetParam())).rax, 1u);
  EXPECT_EQ(dispatcher.woken, 1u);
  EXPECT_EQ(dispatcher.dispatched, 0u);
}

TEST_P(registers_kept_by_wake, of_one_with_more_to_do) {
  const waiter_lists lists(false);
  dispatcher.wakes = quick_wake::finish;
  const auto in = wake(GetParam());
  EXPECT_EQ(call(in).rax, 1u);
  EXPECT_EQ(dispatcher.dispatched, 0u);
  const auto& frame = dispatcher.last;
  EXPECT_EQ(frame.rax, static_cast<std::uint64_t>(SYS_futex));
  EXPECT_EQ(frame.rdi, in.rdi);
  EXPECT_EQ(frame.r10, in.r10);
  EXPECT_EQ(frame.r15, in.r15);
  EXPECT_EQ(frame.resume, reinterpret_cast<std::uintptr_t>(&awkward_registers_site));
}

TEST_P(registers_kept_by_wake, that_is_refused) {
  const waiter_lists lists(false);
  dispatcher.wakes = quick_wake::refused;
  EXPECT_EQ(call(wake(GetParam())).rax, 1000u + SYS_futex);
  EXPECT_EQ(dispatcher.woken, 1u);
  EXPECT_EQ(dispatcher.dispatched, 1u);
}

TEST_P(registers_kept_by_wake, that_is_not_the_stubs) {
  for (const auto& in :
       {wake(GetParam(), FUTEX_WAKE), wake(GetParam(), FUTEX_WAIT_PRIVATE),
        wake(GetParam(), FUTEX_WAKE_PRIVATE, 2), wake(GetParam(), FUTEX_WAKE_PRIVATE, 0),
        wake(GetParam(), FUTEX_WAKE_PRIVATE, 1, 0x76543210aa)}) {
    const waiter_lists lists(true);
    EXPECT_EQ(call(in).rax, 1000u + SYS_futex);
  }
  EXPECT_EQ(call(wake(GetParam())).rax, 1000u + SYS_futex) << "there are no lists";
  EXPECT_EQ(dispatcher.woken, 0u);
}

INSTANTIATE_TEST_SUITE_P(all, registers_kept_by_wake,
                         ::testing::Values(0ul, carry, zero | parity, overflow,
                                           carry | parity | adjust | zero | sign | overflow,
                                           direction, alignment));

class registers_kept_in_child : public registers_kept {};

TEST_P(registers_kept_in_child, of_a_fork) {
  const auto [w, flags] = GetParam();
  for (const long nr : {SYS_fork, SYS_clone}) {
    auto in = pattern(nr, flags);
    if (nr == SYS_clone) {
      in.rdi = SIGCHLD;
      in.rsi = in.rdx = in.r10 = in.r8 = 0;
    }
    const auto out = call(w, in);
    const bool kept = out == expected(in, out);
    if (out.rax == 0) _exit(kept && dispatcher.after_spawns == (w == way::spawn) ? 7 : 8);
    EXPECT_EQ(out, expected(in, out));
    if (w == way::spawn) {
      EXPECT_EQ(dispatcher.after_spawns, 1u);
    }
    int how = 0;
    ASSERT_EQ(waitpid(static_cast<pid_t>(out.rax), &how, 0), static_cast<pid_t>(out.rax));
    EXPECT_EQ(WEXITSTATUS(how), 7);
  }
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<way, std::uint64_t>>& info) {
  static constexpr const char* ways[] = {"fast", "passthrough", "done", "native", "spawn"};
  return std::string(ways[static_cast<int>(std::get<0>(info.param))]) + "_flags_" +
         std::to_string(std::get<1>(info.param));
}

const auto all_flags = ::testing::Values(0ul, carry, zero | parity, sign | adjust, overflow,
                                         carry | parity | adjust | zero | sign | overflow,
                                         direction, direction | overflow | carry, alignment);

INSTANTIATE_TEST_SUITE_P(all, registers_kept,
                         ::testing::Combine(::testing::Values(way::fast, way::passthrough,
                                                              way::done, way::native, way::spawn),
                                            all_flags),
                         name_of);
INSTANTIATE_TEST_SUITE_P(all, registers_kept_in_child,
                         ::testing::Combine(::testing::Values(way::fast, way::passthrough,
                                                              way::native, way::spawn),
                                            all_flags),
                         name_of);

class vfork_ways : public ::testing::TestWithParam<std::tuple<way, int>> {};

TEST_P(vfork_ways, survives_what_the_child_does_to_the_stack) {
  ASSERT_TRUE(weft::patch::testing::patch_awkward());
  const auto [w, depth] = GetParam();
  dispatcher.after_spawns = 0;
  pid_t child;
  if (w == way::fast) {
    child = static_cast<pid_t>(awkward_vfork(depth));
  } else {
    virtual_scope scope(testing_answer::hook, [](syscall_frame* frame) {
      return frame->rax == SYS_vfork ? dispatch_result::spawn : dispatch_result::native;
    });
    scope.state.passthrough = w == way::passthrough;
    child = static_cast<pid_t>(awkward_vfork(depth));
  }
  ASSERT_GT(child, 0);
  // Memory is shared: each parent's count is seen here.
  EXPECT_EQ(dispatcher.after_spawns, w == way::spawn ? 1u + static_cast<unsigned>(depth) : 0u);
  int how = 0;
  ASSERT_EQ(waitpid(child, &how, 0), child);
  EXPECT_EQ(WEXITSTATUS(how), 7);
}

INSTANTIATE_TEST_SUITE_P(all, vfork_ways,
                         ::testing::Combine(::testing::Values(way::fast, way::passthrough,
                                                              way::spawn),
                                            ::testing::Values(0, 1, 3)));

class frame : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(weft::patch::testing::patch_awkward()); }
};

TEST_F(frame, can_be_changed_by_the_dispatcher) {
  const virtual_scope scope(testing_answer::hook, [](syscall_frame* frame) {
    frame->rdi = 1;
    frame->rbx = 2;
    frame->r15 = 3;
    frame->rax = 4;
    return dispatch_result::done;
  });
  alignas(64) const registers in = pattern(SYS_getppid, 0);
  alignas(64) registers out{};
  awkward_registers(&in, &out);
  auto wanted = in;
  wanted.rdi = 1;
  wanted.rbx = 2;
  wanted.r15 = 3;
  wanted.rax = 4;
  std::ranges::copy(out.xmm, wanted.xmm); // the hook is ordinary code
  EXPECT_EQ(out, wanted);
}

TEST_F(frame, is_what_the_program_had) {
  const virtual_scope scope(testing_answer::number);
  alignas(64) const registers in = pattern(SYS_getppid, overflow | zero);
  alignas(64) registers out{};
  awkward_registers(&in, &out);
  const auto& frame = dispatcher.last;
  EXPECT_EQ(frame.rdi, in.rdi);
  EXPECT_EQ(frame.rsi, in.rsi);
  EXPECT_EQ(frame.rdx, in.rdx);
  EXPECT_EQ(frame.r10, in.r10);
  EXPECT_EQ(frame.r8, in.r8);
  EXPECT_EQ(frame.r9, in.r9);
  EXPECT_EQ(frame.rbx, in.rbx);
  EXPECT_EQ(frame.rbp, in.rbp);
  EXPECT_EQ(frame.r12, in.r12);
  EXPECT_EQ(frame.r13, in.r13);
  EXPECT_EQ(frame.r14, in.r14);
  EXPECT_EQ(frame.r15, in.r15);
  EXPECT_EQ(frame.rflags, in.rflags);
  EXPECT_EQ(frame.resume, reinterpret_cast<std::uintptr_t>(&awkward_registers_site));
}

// A new thread's first steps: the frame is copied, given a result and a stack, and resumed.
TEST_F(frame, can_be_resumed_elsewhere) {
  static syscall_frame copy;
  alignas(64) static registers in = pattern(SYS_getppid, carry | sign), out;
  {
    const virtual_scope scope(testing_answer::hook, [](syscall_frame* frame) -> dispatch_result {
      copy = *frame;
      copy.rax = 77;
      weft_resume_frame(&copy);
    });
    awkward_registers(&in, &out);
  }
  EXPECT_EQ(out.rax, 77u);
  std::ranges::copy(in.xmm, out.xmm); // the hook is ordinary code
  EXPECT_EQ(out, expected(in, out));
}

} // namespace
