// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "tests/conformance/check.hpp"

#include <cstdio>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace conformance {

// Forks; the child runs the body and exits with its result, without the parent's at-exit work.
template <class Body>
pid_t in_child(Body body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) _exit(body());
  expect(child > 0, "fork");
  return child;
}

inline std::string describe(int status) {
  if (WIFEXITED(status)) return "exited " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return "killed by " + std::to_string(WTERMSIG(status));
  return "neither";
}

// Waits for a child, and tells how it ended.
inline std::string status_of(pid_t child) {
  int status = 0;
  pid_t found = 0;
  do {
    found = waitpid(child, &status, 0);
  } while (found == -1 && errno == EINTR);
  return found == child ? describe(status) : "no such child";
}

} // namespace conformance
