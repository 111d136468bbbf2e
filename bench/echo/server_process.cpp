// SPDX-License-Identifier: BSL-1.0
#include "bench/echo/server_process.hpp"

#include <ctime>
#include <fstream>
#include <string>

namespace echo {

process_memory memory_of(pid_t process) {
  process_memory found;
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string name; status >> name; status.ignore(1000, '\n')) {
    if (name == "VmRSS:") status >> found.resident_kib;
    if (name == "VmPTE:") status >> found.page_table_kib;
    if (name == "Threads:") status >> found.kernel_threads;
  }
  return found;
}

double processor_seconds_of(pid_t process) {
  clockid_t id{};
  timespec time{};
  if (process == 0 || clock_getcpuclockid(process, &id) != 0 || clock_gettime(id, &time) != 0)
    return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

} // namespace echo
