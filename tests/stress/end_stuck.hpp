// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sys/types.h>
#include <unistd.h>

namespace stress {

/// Ends a child that does not go on: with a dump of its threads, if weft was asked for one at
/// SIGUSR2, and a core. It is still to be waited for.
inline void end_stuck(pid_t child) {
  if (const char* dump = std::getenv("WEFT_DUMP_SIGNAL"); dump && std::strstr(dump, "USR2")) {
    kill(child, SIGUSR2);
    sleep(2);
  }
  kill(child, SIGABRT);
  sleep(1);
  kill(child, SIGKILL);
}

} // namespace stress
