// SPDX-License-Identifier: BSL-1.0
// libc is rewritten while kernel threads are blocked in it, and others run through it.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "patch/sites/sites.hpp"
#include "tests/patch/sites/test_dispatcher.hpp"

using namespace weft::patch;
using namespace std::chrono_literals;
using testing_answer = weft::patch::testing::answer;
using weft::patch::testing::virtual_scope;

namespace {

struct pipe_ends {
  int fd[2];
  pipe_ends() { EXPECT_EQ(pipe(fd), 0); }
  ~pipe_ends() {
    close(fd[0]);
    close(fd[1]);
  }
};

/// In a process of its own, since it is patched but once.
void blocked_and_running_threads_go_on(patch_mode mode) {
  struct sigaction action {};
  static std::atomic<int> handled = 0;
  action.sa_handler = [](int) { ++handled; };
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);

  pipe_ends plain, restarted, polled;
  std::mutex mutex;
  std::condition_variable changed;
  bool ready = false;
  std::atomic<bool> stop = false;
  std::atomic<int> right = 0;
  std::atomic<long> calls = 0;

  std::vector<std::thread> threads;
  for (auto* ends : {&plain, &restarted})
    threads.emplace_back([&, ends] {
      char byte = 0;
      right += read(ends->fd[0], &byte, 1) == 1 && byte == 'x';
    });
  threads.emplace_back([&] {
    pollfd p{polled.fd[0], POLLIN, 0};
    right += poll(&p, 1, -1) == 1;
  });
  threads.emplace_back([&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ready; });
    ++right;
  });
  threads.emplace_back([&] {
    const auto start = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(200ms);
    right += std::chrono::steady_clock::now() - start >= 200ms;
  });
  const int running = mode == patch_mode::running ? 2 : 0;
  for (int i = 0; i < running; ++i)
    threads.emplace_back([&] {
      const pid_t parent = getppid();
      bool same = true;
      while (!stop) {
        same &= getppid() == parent && getuid() == geteuid();
        ++calls;
      }
      right += same;
    });
  std::this_thread::sleep_for(50ms);

  site_report report;
  const auto before = calls.load();
  const auto status = patch_loaded_objects([](int) { return true; }, mode, report);
  ASSERT_EQ(status, patch_status::ok) << describe(status);
  while (running && calls < before + 10000)
    std::this_thread::yield();

  EXPECT_EQ(report.found, report.patched + report.unwanted + report.refused);
  EXPECT_GE(report.patched, report.found * (mode == patch_mode::running ? 80 : 95) / 100);
  printf("%u of %u patched late\n", report.patched, report.found);

  pthread_kill(threads[1].native_handle(), SIGUSR1);
  while (!handled)
    std::this_thread::yield();
  for (auto* ends : {&plain, &restarted, &polled})
    EXPECT_EQ(write(ends->fd[1], "x", 1), 1);
  {
    const std::lock_guard lock(mutex);
    ready = true;
  }
  changed.notify_all();
  stop = true;
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(right, 5 + running);

  const virtual_scope scope(testing_answer::hook, [](syscall_frame* frame) {
    if (frame->rax != SYS_getppid) return dispatch_result::native;
    frame->rax = 4711;
    return dispatch_result::done;
  });
  EXPECT_EQ(getppid(), 4711);
}

void in_a_process_of_its_own(patch_mode mode) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        blocked_and_running_threads_go_on(mode);
        exit(::testing::Test::HasFailure());
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(late, while_threads_are_blocked) {
  in_a_process_of_its_own(patch_mode::blocked);
}
TEST(late, while_threads_run) {
  in_a_process_of_its_own(patch_mode::running);
}

} // namespace
