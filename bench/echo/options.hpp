// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <sys/types.h>

namespace echo {

struct options {
  unsigned port = 0;
  std::size_t idle = 0;
  std::size_t active = 1;
  double seconds = 3;
  std::size_t requests = 0;    // so many instead, of all active connections together; 0: by time
  std::size_t size = 64;       // bytes of a message
  std::size_t in_flight = 256; // connections being opened, or idle ones being checked, at a time
  pid_t server = 0;            // the server's process, whose CPU time is reported; 0: unknown
  bool progress = false;       // phases and counts on standard error, for a program that watches
};

// Ends the process with a usage message if the arguments make no sense.
options parse_options(int argc, char** argv);

} // namespace echo
