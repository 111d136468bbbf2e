// SPDX-License-Identifier: BSL-1.0
// Children of every kind.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "tests/patch/sites/libc_fixture.hpp"

extern char** environ;

namespace weft::patch::testing {
namespace {

class libc_processes : public libc {};

int exit_status(pid_t child) {
  int how = 0;
  EXPECT_EQ(waitpid(child, &how, 0), child);
  EXPECT_TRUE(WIFEXITED(how)) << how;
  return WEXITSTATUS(how);
}

TEST_P(libc_processes, fork_and_pipes) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    write(ends[1], "hello", 5) == 5 ? _exit(getppid() != getpid() ? 3 : 4) : _exit(5);
  }
  char text[5];
  EXPECT_EQ(read(ends[0], text, 5), 5);
  EXPECT_EQ(std::string(text, 5), "hello");
  EXPECT_EQ(exit_status(child), 3);
  close(ends[0]);
  close(ends[1]);
}

TEST_P(libc_processes, fork_in_a_thread) {
  std::thread([m = GetParam()] {
    const thread_state state(m);
    const pid_t child = fork();
    if (child == 0) _exit(std::vector<int>(1000, 1).back() + 5);
    EXPECT_EQ(exit_status(child), 6);
  }).join();
}

TEST_P(libc_processes, vfork_and_exec) {
  volatile int seen = 1;
  const pid_t child = vfork();
  if (child == 0) {
    seen = 2;
    execl("/bin/sh", "sh", "-c", "exit 9", nullptr);
    _exit(127);
  }
  EXPECT_EQ(seen, 2);
  EXPECT_EQ(exit_status(child), 9);
}

TEST_P(libc_processes, posix_spawn_and_shells) {
  const char* arguments[] = {"sh", "-c", "exit 11", nullptr};
  pid_t child;
  ASSERT_EQ(posix_spawn(&child, "/bin/sh", nullptr, nullptr, const_cast<char* const*>(arguments),
                        environ),
            0);
  EXPECT_EQ(exit_status(child), 11);
  EXPECT_EQ(posix_spawn(&child, "/nonexistent", nullptr, nullptr,
                        const_cast<char* const*>(arguments), environ),
            ENOENT);
  EXPECT_EQ(WEXITSTATUS(system("exit 12")), 12);
  FILE* pipe = popen("echo out of a shell", "r");
  char line[64] = {};
  EXPECT_NE(fgets(line, sizeof line, pipe), nullptr);
  EXPECT_STREQ(line, "out of a shell\n");
  EXPECT_EQ(pclose(pipe), 0);
}

INSTANTIATE_TEST_SUITE_P(all, libc_processes, both_modes(), name_of_mode);

} // namespace
} // namespace weft::patch::testing
