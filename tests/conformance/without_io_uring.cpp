// SPDX-License-Identifier: BSL-1.0
// Runs the program named in its arguments in a process that may not make an io_uring, as many
// containers have it.
#include <cerrno>
#include <cstdio>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/call_filter.hpp"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  if (call_filter({SYS_io_uring_setup}, SECCOMP_RET_ERRNO | EPERM).install() != 0) {
    std::perror("seccomp");
    return 77; // nothing can be tested here
  }
  execvp(argv[1], argv + 1);
  std::perror(argv[1]);
  return 2;
}
