// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>

namespace echo {

/// What the kernel tells about the server's process; all zero if there is no such process.
struct process_memory {
  long resident_kib = 0;   // VmRSS
  long page_table_kib = 0; // VmPTE
  long kernel_threads = 0; // each has a stack of 16 KiB in the kernel
};

[[nodiscard]] process_memory memory_of(pid_t process);

/// Seconds of processor time that all threads of a process have used so far.
[[nodiscard]] double processor_seconds_of(pid_t process);

} // namespace echo
