// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/launcher/elf_image.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::launcher {

/// The interpreter that a first line of "#!" names; nothing without such a line. `head` is the
/// first bytes of the file: like the kernel, it looks at no more than 256 of them.
std::optional<std::string> script_interpreter(std::string_view head);

/// Why an image cannot be patched; empty when it can.
std::string why_not(const elf_image& image);

/// What can be said of a program before it runs.
struct program_verdict {
  std::string image;   // the file that will run: the program, or its script's interpreter
  std::string refusal; // why it cannot be patched; empty when it can
  int error = 0;       // errno of an interpreter that cannot be executed, 0 if none
  std::vector<std::string> needed; // the libraries that the image names, in order
};

/// Judges the file at `path`, following scripts to their interpreters.
program_verdict check_program(const std::string& path);

} // namespace weft::launcher
