// SPDX-License-Identifier: BSL-1.0
// A breakpoint on each instruction of the stub in turn, while system calls are made in every way:
// from each an unwinder finds the caller.
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <span>

#include "patch/sites/decoder.hpp"
#include "patch/sites/raw_syscall.hpp"
#include "tests/patch/sites/patched_awkward.hpp"
#include "tests/patch/sites/test_dispatcher.hpp"
#include "tests/patch/sites/trace.hpp"

using namespace weft::patch;
using testing_answer = weft::patch::testing::answer;
using weft::patch::testing::address;
using weft::patch::testing::trace;
using weft::patch::testing::virtual_scope;
using weft::patch::testing::waiter_lists;

namespace {

struct shared_results { // with forked children
  volatile int hits;
  volatile int failures;
};
shared_results* results;
std::uintptr_t breakpoint;
std::uint8_t replaced;

void poke(std::uintptr_t at, std::uint8_t value) {
  // A child has memory of its own, hence a file of its own.
  const long fd = raw_syscall(SYS_open, "/proc/self/mem", 2 /* O_RDWR */, 0);
  raw_syscall(SYS_pwrite64, fd, &value, 1, at);
  raw_syscall(SYS_close, fd);
}

void on_breakpoint(int, siginfo_t*, void* context) {
  auto& pc = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  --pc;
  poke(breakpoint, replaced);
  const auto t = trace::here();
  const int stub = t.find(static_cast<std::uintptr_t>(pc), 1);
  const bool right =
      stub > 0 && stub + 1 < t.count && t.find(address(&awkward_plain), 4096, stub + 1) == stub + 1;
  results->hits = results->hits + 1;
  if (!right) {
    results->failures = results->failures + 1;
  }
}

[[noreturn]] void exit_with_7() {
  raw_syscall(SYS_exit, 7);
  __builtin_unreachable();
}

/// A child stack whose first return leads to exit_with_7.
std::uint64_t* child_stack_top() {
  alignas(16) static std::uint64_t stack[4096];
  auto* top = stack + 4000;
  *top = address(&exit_with_7);
  return top;
}

void clone_with_stack(std::uint64_t flags) {
  awkward_call(SYS_clone, static_cast<long>(flags | SIGCHLD),
               reinterpret_cast<long>(child_stack_top()));
}

void clone3_with_stack() {
  clone_args args{};
  args.flags = CLONE_VM | CLONE_VFORK;
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<std::uint64_t>(child_stack_top() - 1024);
  args.stack_size = 1024 * 8;
  awkward_call(SYS_clone3, reinterpret_cast<long>(&args), sizeof args);
}

void fork_child() {
  if (awkward_call(SYS_fork) == 0) exit_with_7();
}

/// With the direction flag set, which takes the stub's slow way with flags.
void call_with_rare_flags(long nr) {
  alignas(16) registers in{}, out;
  in.rax = static_cast<std::uint64_t>(nr);
  in.rflags = 0x602;
  if (nr == SYS_clone) in.rdi = SIGCHLD;
  awkward_registers(&in, &out);
  if (nr != SYS_getppid && out.rax == 0) exit_with_7();
}

void make_every_kind_of_call() {
  awkward_plain();
  for (const long nr : {SYS_getppid, SYS_fork, SYS_clone})
    call_with_rare_flags(nr);
  awkward_call(SYS_getppid);
  fork_child();
  awkward_vfork(0);
  clone_with_stack(0);
  clone_with_stack(CLONE_VM | CLONE_VFORK);
  clone3_with_stack();
  int how;
  while (waitpid(-1, &how, 0) > 0)
    if (WIFSIGNALED(how) || WEXITSTATUS(how) != 7) results->failures = results->failures + 1;
}

/// By the stub alone, without a frame, and with one in the end.
void make_every_kind_of_wake(void (*arm)()) {
  alignas(16) static std::uint32_t word;
  const auto wake = [&] {
    awkward_call(SYS_futex, reinterpret_cast<long>(&word), FUTEX_WAKE_PRIVATE, 1);
  };
  {
    arm();
    const waiter_lists lists(true);
    wake();
  }
  for (const quick_wake what : {quick_wake::done, quick_wake::finish, quick_wake::refused}) {
    arm();
    const waiter_lists lists(false);
    weft::patch::testing::dispatcher.wakes = what;
    wake();
  }
}

dispatch_result spawn_what_spawns(syscall_frame* frame) {
  switch (frame->rax) {
  case SYS_fork:
  case SYS_vfork:
  case SYS_clone:
  case SYS_clone3:
    return dispatch_result::spawn;
  case SYS_getppid:
    frame->rax = 1;
    return dispatch_result::done;
  default:
    return dispatch_result::native;
  }
}

TEST(stub, can_be_unwound_from_every_instruction) {
  ASSERT_TRUE(weft::patch::testing::patch_awkward());
  results = static_cast<shared_results*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  struct sigaction action {};
  action.sa_sigaction = on_breakpoint;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &action, nullptr);
  trace::here();

  int instructions = 0, reached = 0;
  instruction_flow i;
  for (const auto* p = reinterpret_cast<const std::uint8_t*>(weft_entry_begin);
       p < reinterpret_cast<const std::uint8_t*>(weft_entry_end); p += i.length) {
    ASSERT_TRUE(decode_flow({p, 15}, i));
    if (p < reinterpret_cast<const std::uint8_t*>(&weft_entry)) continue;
    ++instructions;
    const int before = results->hits;
    breakpoint = address(p);
    replaced = *p;
    const auto arm = [] { poke(breakpoint, 0xcc); };
    // The byte is put back by the first hit; so each way arms it again.
    arm();
    make_every_kind_of_call();
    {
      arm();
      const virtual_scope scope(testing_answer::native);
      awkward_plain();
      call_with_rare_flags(SYS_getppid);
    }
    {
      arm();
      const virtual_scope scope(testing_answer::hook, spawn_what_spawns);
      make_every_kind_of_call();
      make_every_kind_of_wake(arm);
    }
    {
      arm();
      const virtual_scope scope(testing_answer::hook, spawn_what_spawns);
      clone_with_stack(0);
      while (waitpid(-1, nullptr, 0) > 0) {
      }
    }
    poke(breakpoint, replaced);
    reached += results->hits > before;
    ASSERT_EQ(results->failures, 0)
        << "at the stub's byte " << breakpoint - address(weft_entry_begin);
  }
  // Not reached are those that restore rare flags where a child has a stack of its own, or shares
  // one.
  EXPECT_GT(reached, instructions * 95 / 100) << "of " << instructions;
  signal(SIGTRAP, SIG_DFL);
}

} // namespace
