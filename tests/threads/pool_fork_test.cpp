// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "tests/threads/eventually.hpp"
#include "weft/weft.hpp"

// TSan refuses threads in a child of a process that had some.
#if !defined(__SANITIZE_THREAD__)

namespace weft::test {
namespace {

int exit_code_of(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

TEST(fork_with_a_pool, starts_anew_in_the_child) {
  thread_pool pool({.max_threads = 1, .queue_capacity = 2});
  pool.submit([] {}).get();
  gate g;
  auto running = pool.submit([&] {
    g.pass();
    return 1;
  });
  auto queued = pool.submit([] { return 2; });
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!running.was_cancelled()) std::_Exit(10);
    if (!queued.was_cancelled()) std::_Exit(11);
    if (pool.threads() != 0 || pool.queued() != 0) std::_Exit(12);
    if (pool.submit([] { return 3; }).get() != 3) std::_Exit(13);
    if (to_thread([] { return 4; }).get() != 4) std::_Exit(14);
    pool.shutdown();
    promise<void> never;
    try {
      never.get_future().get();
      std::_Exit(15);
    } catch (const deadlock_error&) {
    }
    std::_Exit(0);
  }
  EXPECT_EQ(exit_code_of(child), 0);
  EXPECT_FALSE(queued.done());
  g.open();
  EXPECT_EQ(running.get() + queued.get(), 3);
}

TEST(fork_with_a_pool, with_idle_threads_and_from_a_thread_without_a_hub) {
  thread_pool pool({.min_threads = 2});
  pool.submit([] {}).get();
  EXPECT_TRUE(eventually([&] { return pool.idle_threads() == 1; }));
  std::thread([&] {
    const pid_t child = fork();
    if (child == 0) {
      if (pool.idle_threads() != 0 || pool.threads() != 0) std::_Exit(20);
      std::_Exit(pool.submit([] { return 0; }).get());
    }
    EXPECT_EQ(exit_code_of(child), 0);
  }).join();
  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1);
}

#if !defined(__SANITIZE_ADDRESS__) // whose leak check fails the child: what was lost is lost
TEST(fork_with_a_pool, called_by_a_job_that_goes_on_in_both) {
  thread_pool pool;
  auto code = pool.submit([&] {
    const pid_t child = fork();
    if (child == 0) {
      if (to_thread([] { return 5; }).get() != 5) std::_Exit(30);
      if (pool.threads() != 0) std::_Exit(31);
      return -1; // its thread is the last
    }
    return exit_code_of(child);
  });
  EXPECT_EQ(code.get(), 0);
}
#endif

} // namespace
} // namespace weft::test

#endif
