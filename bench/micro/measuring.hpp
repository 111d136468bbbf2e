// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace bench {

/// How many fibers "many" are: a million, or what the environment says for a short run. A library
/// that takes minutes for a million has a limit of its own.
inline std::size_t many(std::size_t at_most = 1'000'000) {
  const char* asked = std::getenv("BENCH_MANY");
  const std::size_t count = asked ? std::strtoul(asked, nullptr, 10) : 1'000'000;
  return count < at_most ? count : at_most;
}

/// Nanoseconds of processor time that the process has taken.
inline double processor_time() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// Nanoseconds since some time.
inline double wall_time() {
  using namespace std::chrono;
  return duration<double, std::nano>(steady_clock::now().time_since_epoch()).count();
}

/// Resident bytes and page tables of the process, and the stacks of its threads in the kernel.
inline double memory_in_use() {
  std::FILE* status = std::fopen("/proc/self/status", "r");
  char line[256];
  double bytes = 0;
  while (std::fgets(line, sizeof line, status)) {
    for (const char* field : {"VmRSS:", "VmPTE:"})
      if (std::strncmp(line, field, 6) == 0) bytes += std::strtod(line + 6, nullptr) * 1024;
    if (std::strncmp(line, "Threads:", 8) == 0) bytes += std::strtod(line + 8, nullptr) * 16384;
  }
  std::fclose(status);
  return bytes;
}

} // namespace bench
