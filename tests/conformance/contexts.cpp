// SPDX-License-Identifier: BSL-1.0
// Programs that switch stacks themselves, or leave frames behind: ucontext, Boost.Context, longjmp.
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE 2 // longjmp is __longjmp_chk then
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <atomic>
#include <boost/context/fiber.hpp>
#include <csetjmp>
#include <csignal>
#include <pthread.h>
#include <string>
#include <thread>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

// A coroutine on makecontext that waits between its steps.
struct stepper {
  ucontext_t own{}, caller{};
  std::vector<char> stack = std::vector<char>(256 * 1024);
  int steps = 0;
  bool ended = false;

  static void run(unsigned low, unsigned high) {
    const auto address =
        static_cast<std::uintptr_t>(low) | (static_cast<std::uintptr_t>(high) << 32);
    auto& self = *reinterpret_cast<stepper*>(address);
    for (int i = 0; i < 5; ++i) {
      usleep(300);
      ++self.steps;
      swapcontext(&self.own, &self.caller);
    }
    self.ended = true;
  }
  stepper() {
    getcontext(&own);
    own.uc_stack.ss_sp = stack.data();
    own.uc_stack.ss_size = stack.size();
    own.uc_link = &caller;
    const auto address = reinterpret_cast<std::uintptr_t>(this);
    makecontext(&own, reinterpret_cast<void (*)()>(run), 2, static_cast<unsigned>(address),
                static_cast<unsigned>(address >> 32));
  }
  stepper(const stepper&) = delete;
  stepper& operator=(const stepper&) = delete;
  void step() { swapcontext(&caller, &own); }
};

void ucontext_in_threads() {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      stepper a, b;
      while (!a.ended || !b.ended) {
        if (!a.ended) a.step();
        if (!b.ended) b.step();
      }
      expect_equal(a.steps, 5, "steps of the one");
      expect_equal(b.steps, 5, "steps of the other");
    });
  for (std::thread& thread : threads)
    thread.join();
}

void boost_context_in_threads() {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      namespace ctx = boost::context;
      int steps = 0;
      ctx::fiber other{[&](ctx::fiber&& caller) {
        for (int i = 0; i < 5; ++i) {
          usleep(300);
          ++steps;
          caller = std::move(caller).resume();
        }
        return std::move(caller);
      }};
      while (other)
        other = std::move(other).resume();
      expect_equal(steps, 5, "steps");
    });
  for (std::thread& thread : threads)
    thread.join();
}

// Contexts that compute without a call, and threads that compute beside them.
void preempted_contexts() {
  std::atomic<bool> stop{false};
  std::thread computing([&] {
    while (!stop) {
    }
  });
  namespace ctx = boost::context;
  std::uint64_t sum = 0;
  ctx::fiber other{[&](ctx::fiber&& caller) {
    for (int i = 0; i < 3; ++i) {
      for (int k = 0; k < 10'000'000; ++k) {
        sum += 1;
        asm volatile("" : "+r"(sum));
      }
      caller = std::move(caller).resume();
    }
    return std::move(caller);
  }};
  while (other)
    other = std::move(other).resume();
  stop = true;
  computing.join();
  expect_equal(sum, 30'000'000u, "the sum");
}

[[gnu::noinline]] int fall(std::jmp_buf& place, int depth) {
  if (depth == 0) std::longjmp(place, 7);
  if (depth < 0) return 0;
  return fall(place, depth - 1) + 1;
}

void long_jumps() {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      volatile int landed = 0;
      for (volatile int i = 0; i < 20;) {
        std::jmp_buf place;
        if (setjmp(place) == 0) {
          usleep(100);
          fall(place, 20);
          fail("longjmp returned");
        } else {
          landed = landed + 1;
        }
        i = i + 1;
      }
      expect_equal(static_cast<int>(landed), 20, "times it landed");
    });
  for (std::thread& thread : threads)
    thread.join();
}

sigjmp_buf out_of_the_call;

// Out of a handler that interrupted a call, several times, and then the thread goes on as ever.
void long_jump_out_of_calls() {
  struct sigaction action {};
  action.sa_handler = [](int) { siglongjmp(out_of_the_call, 1); };
  sigaction(SIGUSR1, &action, nullptr);
  pipe_pair pipe;
  static std::atomic<int> round;
  round = 0;
  std::thread jumper([&] {
    for (volatile int i = 0; i < 5;) {
      if (sigsetjmp(out_of_the_call, 1) == 0) {
        round = i + 1;
        char byte = 0;
        (void)!read(pipe.reader, &byte, 1);
        fail("read returned");
      }
      i = i + 1;
    }
    round = 6;
    char byte = 0;
    expect_equal(read(pipe.reader, &byte, 1), 1, "the last read");
  });
  for (int i = 1; i <= 5; ++i) {
    wait_until([&] { return round == i; }, "the thread reads");
    let_others_block();
    pthread_kill(jumper.native_handle(), SIGUSR1);
  }
  wait_until([] { return round == 6; }, "the thread reads at last");
  expect_equal(write(pipe.writer, "x", 1), 1, "write");
  jumper.join();
  signal(SIGUSR1, SIG_DFL);
}

const checks registered{
    {"ucontext_in_threads", ucontext_in_threads},
    {"boost_context_in_threads", boost_context_in_threads},
    {"preempted_contexts", preempted_contexts},
    {"long_jumps", long_jumps},
    {"long_jump_out_of_calls", long_jump_out_of_calls},
};

} // namespace
