// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>

namespace weft::launcher {

/// Where a program is, or why it cannot be executed: `error` is the errno that execvp would give, 0
/// when found.
struct program_path {
  std::string path;
  int error = 0;
};

/// Looks `name` up as execvp does: as it stands when it holds a slash, else in `path` (PATH's
/// value; the system's default when null).
program_path find_program(const std::string& name, const char* path);

/// The errno that execve would answer with as far as the file's kind and mode tell; 0 when they
/// allow it.
int execution_error(const std::string& path);

} // namespace weft::launcher
