// SPDX-License-Identifier: BSL-1.0
#include "patch/launcher/program_path.hpp"

#include <cerrno>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace weft::launcher {

int execution_error(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return EACCES;
  return eaccess(path.c_str(), X_OK) == 0 ? 0 : errno;
}

program_path find_program(const std::string& name, const char* path) {
  if (name.empty()) return {name, ENOENT};
  if (name.find('/') != std::string::npos) return {name, execution_error(name)};

  // glibc's default. An empty entry is the current directory, as ever.
  std::string_view rest = path != nullptr ? path : "/bin:/usr/bin";
  int error = ENOENT;
  while (true) {
    const auto colon = rest.find(':');
    std::string candidate(rest.substr(0, colon));
    candidate += candidate.empty() ? "./" + name : "/" + name;
    const int refused = execution_error(candidate);
    if (refused == 0) return {candidate, 0};
    // One that exists but may not run is remembered: a later entry may hold one that may.
    if (refused == EACCES) error = EACCES;
    if (colon == std::string_view::npos) return {name, error};
    rest.remove_prefix(colon + 1);
  }
}

} // namespace weft::launcher
