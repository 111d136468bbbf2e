// SPDX-License-Identifier: BSL-1.0
// What is set in the flags register at a system call is there after it, and no other thread's; and
// the kernel is not disturbed by it. x86-64 only.
#include "tests/conformance/check.hpp"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

using namespace conformance;

constexpr std::uint64_t trap = 1 << 8, direction = 1 << 10, alignment = 1 << 18;

// Makes a system call with these flags set, and tells which are set afterwards.
std::uint64_t flags_after(std::uint64_t flags, long number, const void* first, const void* second,
                          long& result) {
  std::uint64_t after = 0;
  register long third asm("rdx") = 0;
  asm volatile("sub $128, %%rsp\n\t"
               "pushfq\n\t"
               "or %[flags], (%%rsp)\n\t"
               "popfq\n\t"
               "syscall\n\t"
               "pushfq\n\t"
               "mov (%%rsp), %[after]\n\t"
               "and %[rest], (%%rsp)\n\t"
               "popfq\n\t"
               "add $128, %%rsp"
               : "=a"(result), [after] "=&r"(after), "+r"(third)
               : "0"(number), "D"(first), "S"(second), [flags] "r"(flags), [rest] "r"(~flags)
               : "rcx", "r11", "memory", "cc");
  return after & flags;
}

std::uint64_t flags_now() {
  std::uint64_t flags = 0;
  asm volatile("sub $128, %%rsp; pushfq; pop %0; add $128, %%rsp" : "=r"(flags) : : "cc");
  return flags;
}

// Another thread, which runs while this one gives way, and finds none of its flags.
class passer_by {
 public:
  ~passer_by() {
    over_ = true;
    thread_.join();
    expect_equal(found_.load(), 0u, "flags in another thread");
  }
  [[nodiscard]] int turns() const { return turns_; }

 private:
  void run() {
    while (!over_) {
      found_ |= flags_now() & (trap | direction | alignment);
      ++turns_;
      usleep(100); // nothing is left over by a thread that waited either
      sched_yield();
    }
  }
  std::atomic<bool> over_{false};
  std::atomic<int> turns_{0};
  std::atomic<std::uint64_t> found_{0};
  std::thread thread_{[this] { run(); }};
};

void stay_over_calls_that_wait(std::uint64_t flags) {
  passer_by other;
  const timespec moment{0, 200'000};
  for (int i = 0; i < 20; ++i) {
    long result = 0;
    expect_equal(flags_after(flags, SYS_sched_yield, nullptr, nullptr, result), flags,
                 "flags after sched_yield");
    expect_equal(result, 0, "sched_yield");
    expect_equal(flags_after(flags, SYS_nanosleep, &moment, nullptr, result), flags,
                 "flags after nanosleep");
    expect_equal(result, 0, "nanosleep");
    expect_equal(flags_after(flags, SYS_gettid, nullptr, nullptr, result), flags,
                 "flags after gettid");
    expect_equal(result, gettid(), "gettid");
  }
  expect(other.turns() > 0, "the other thread ran");
}

void direction_flag() {
  stay_over_calls_that_wait(direction);
}

void alignment_check() {
  stay_over_calls_that_wait(alignment);
}

// The kernel does not care where the program's objects lie.
void alignment_check_and_an_odd_address() {
  const passer_by other;
  alignas(8) char room[2 * sizeof(timespec)];
  const timespec moment{0, 200'000};
  std::memcpy(room + 3, &moment, sizeof moment);
  long result = 0;
  expect_equal(flags_after(alignment, SYS_nanosleep, room + 3, nullptr, result), alignment,
               "flags after nanosleep");
  expect_equal(result, 0, "nanosleep");
}

std::atomic<int> steps{0};
std::atomic<int> strangers_steps{0};
pid_t stepped_thread = 0;

void note_step(int, siginfo_t* info, void*) {
  if (info->si_code != TRAP_TRACE) return;
  ++steps;
  if (gettid() != stepped_thread) ++strangers_steps;
}

void single_steps() {
  struct sigaction action {
  }, before{};
  action.sa_sigaction = note_step;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &action, &before);
  steps = strangers_steps = 0;
  stepped_thread = gettid();
  stay_over_calls_that_wait(trap);
  expect(steps > 60, "a step before or after each call");
  expect_equal(strangers_steps.load(), 0, "steps of another thread");
  sigaction(SIGTRAP, &before, nullptr);
}

const checks registered{
    {"direction_flag", direction_flag},
    {"alignment_check", alignment_check},
    {"alignment_check_and_an_odd_address", alignment_check_and_an_odd_address},
    {"single_steps", single_steps},
};

} // namespace
