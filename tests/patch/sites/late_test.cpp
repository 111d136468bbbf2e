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

TEST(late, blocked_and_running_threads_go_on) {
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
  for (int i = 0; i < 2; ++i)
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
  const auto status =
      patch_loaded_objects([](int) { return true; }, patch_mode::late, report);
  ASSERT_EQ(status, patch_status::ok) << describe(status);
  while (calls < before + 10000) std::this_thread::yield();

  EXPECT_EQ(report.found, report.patched + report.unwanted + report.refused);
  EXPECT_GT(report.patched, 430u);
  for (unsigned i = 0; i < report.refused && i < site_report::max_listed; ++i)
    EXPECT_STREQ(report.list[i].reason, "no single instruction before it has room for a jump");
  printf("%u of %u patched late\n", report.patched, report.found);

  pthread_kill(threads[1].native_handle(), SIGUSR1);
  while (!handled) std::this_thread::yield();
  for (auto* ends : {&plain, &restarted, &polled}) EXPECT_EQ(write(ends->fd[1], "x", 1), 1);
  {
    const std::lock_guard lock(mutex);
    ready = true;
  }
  changed.notify_all();
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 7);

  const virtual_scope scope(testing_answer::hook, [](syscall_frame* frame) {
    if (frame->rax != SYS_getppid) return dispatch_result::native;
    frame->rax = 4711;
    return dispatch_result::done;
  });
  EXPECT_EQ(getppid(), 4711);
}

}  // namespace
