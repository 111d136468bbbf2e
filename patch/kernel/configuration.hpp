// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace weft::patch {

/// What the user asked for, by the launcher's options or by hand: the WEFT_* variables.
struct configuration {
  bool verbose = false;       // WEFT_VERBOSE=1
  bool statistics = false;    // WEFT_STATS=1
  bool no_children = false;   // WEFT_NO_CHILDREN=1: what the program executes runs natively
  bool if_possible = false;   // WEFT_IF_POSSIBLE=1: an unpatchable libc is no error
  std::size_t stack_size = 0; // WEFT_STACK_SIZE=bytes[K|M|G], of threads that ask for none
};

[[nodiscard]] const configuration& the_configuration() noexcept;

/// Reads the environment. With `no_children` it also takes weft out of LD_PRELOAD there.
/// Returns a complaint about a value that makes no sense, or null.
const char* read_configuration(char** environment) noexcept;

} // namespace weft::patch
