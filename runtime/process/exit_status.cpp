// SPDX-License-Identifier: BSL-1.0
#include <string.h>
#include <sys/wait.h>

#include "weft/subprocess.hpp"

namespace weft {

std::optional<int> exit_status::code() const noexcept {
  return WIFEXITED(raw_) ? std::optional(WEXITSTATUS(raw_)) : std::nullopt;
}

std::optional<int> exit_status::signal() const noexcept {
  return WIFSIGNALED(raw_) ? std::optional(WTERMSIG(raw_)) : std::nullopt;
}

bool exit_status::core_dumped() const noexcept {
  return WIFSIGNALED(raw_) && WCOREDUMP(raw_);
}

std::string exit_status::describe() const {
  if (const auto given = code()) return "exit status " + std::to_string(*given);
  const int number = *signal();
  const char* name = ::sigdescr_np(number);
  return "signal " + std::to_string(number) + (name ? " (" + std::string(name) + ")" : "");
}

} // namespace weft
