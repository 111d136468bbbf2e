// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/threads/hubs_at_work.hpp"

namespace weft::test {
namespace {

// ThreadSanitizer takes fibers for threads that the child has lost, and AddressSanitizer's leak
// check fails the child for what was lost with them.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
int exit_code_of(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

TEST(fork_with_workers, the_child_has_one_hub_and_none_of_the_other_fibers) {
  int code = -1;
  const bool in_child = run(
      [&] {
        const hub_handle there = hubs()[1];
        auto napping = spawn_on(there, [] { sleep(1h); });
        sleep(5ms);
        const occupied busy(there);
        auto untaken = spawn_any([] {});
        auto on_its_way = spawn_on(there, [] {});
        const pid_t child = fork();
        if (child == 0) {
          if (!napping.was_cancelled() || !untaken.was_cancelled() || !on_its_way.was_cancelled())
            std::_Exit(1);
          if (hubs().size() != 1 || there.alive()) std::_Exit(2);
          if (spawn_any([] { return 3; }).get() != 3) std::_Exit(3);
          if (!spawn_on(there, [] {}).was_cancelled()) std::_Exit(4);
          sleep(2ms);
          return true; // and so out of run
        }
        code = exit_code_of(child);
        EXPECT_FALSE(untaken.done());
        EXPECT_FALSE(napping.done());
        return false;
      },
      {.workers = 2});
  if (in_child) {
    if (run([] { return spawn_any([] { return 5; }).get(); }, {.workers = 2}) != 5) std::_Exit(6);
    std::_Exit(0);
  }
  EXPECT_EQ(code, 0);
}

TEST(fork_with_workers, on_a_hub_other_than_the_first_the_childs_end_is_the_fibers) {
  run(
      [] {
        const int code = spawn_on(hubs()[1], [] {
                           const pid_t child = fork();
                           if (child == 0) {
                             if (spawn_any([] { return 3; }).get() != 3) std::_Exit(1);
                             sleep(1ms);
                             return 0;
                           }
                           return exit_code_of(child);
                         }).get();
        EXPECT_EQ(code, 0);
      },
      {.workers = 2});
}
#endif

} // namespace
} // namespace weft::test
