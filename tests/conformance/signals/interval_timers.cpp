// SPDX-License-Identifier: BSL-1.0
// setitimer's three kinds, and alarm, in a process with threads.
#include "tests/conformance/check.hpp"

#include <atomic>
#include <csignal>
#include <sys/time.h>
#include <thread>
#include <unistd.h>

namespace {

using namespace conformance;

std::atomic<int> ticks{0};

void count_ticks(int signal) {
  struct sigaction action {};
  action.sa_handler = [](int) { ++ticks; };
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
  ticks = 0;
}

// Ticks while threads compute, until there were a few, and not after it is stopped.
void runs_while_threads_compute(int kind, int signal) {
  count_ticks(signal);
  std::atomic<bool> stop{false};
  const auto compute = [&] {
    while (!stop) {
    }
  };
  std::thread first(compute), second(compute);
  const itimerval often{{0, 2000}, {0, 2000}};
  expect_equal(setitimer(kind, &often, nullptr), 0, "setitimer");
  const stopwatch watch;
  while (ticks < 5 && watch.elapsed() < 10s) {
  }
  expect(ticks >= 5, "it ticks");
  const itimerval never{};
  itimerval before{};
  expect_equal(setitimer(kind, &never, &before), 0, "setitimer");
  expect_equal(before.it_interval.tv_usec > 0, true, "the interval");
  stop = true;
  first.join();
  second.join();
  const int then = ticks;
  usleep(10'000);
  expect_equal(ticks.load(), then, "ticks after the end");
  ::signal(signal, SIG_DFL);
}

void real_interval_timer() {
  runs_while_threads_compute(ITIMER_REAL, SIGALRM);
}
void virtual_interval_timer() {
  runs_while_threads_compute(ITIMER_VIRTUAL, SIGVTALRM);
}
void profiling_interval_timer() {
  runs_while_threads_compute(ITIMER_PROF, SIGPROF);
}

// Every tick of a storm finds some thread, in its own code, in the kernel's or in weft's.
void storm_over_calls() {
  count_ticks(SIGALRM);
  std::atomic<bool> stop{false};
  std::atomic<long> calls{0};
  std::thread caller([&] {
    while (!stop) {
      getppid();
      usleep(50);
      calls += 1;
    }
  });
  std::thread yielder([&] {
    while (!stop)
      std::this_thread::yield();
  });
  const itimerval storm{{0, 200}, {0, 200}};
  setitimer(ITIMER_REAL, &storm, nullptr);
  wait_until([&] { return ticks > 300 && calls > 100; }, "signals and calls");
  const itimerval never{};
  setitimer(ITIMER_REAL, &never, nullptr);
  stop = true;
  caller.join();
  yielder.join();
  ::signal(SIGALRM, SIG_DFL);
}

const checks registered{
    {"real_interval_timer", real_interval_timer},
    {"virtual_interval_timer", virtual_interval_timer},
    {"profiling_interval_timer", profiling_interval_timer},
    {"storm_over_calls", storm_over_calls},
};

} // namespace
