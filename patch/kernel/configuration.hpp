// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::patch {

/// How the statistics are to be written at exit.
enum class report_form : std::uint8_t { none, text, json };

/// What the user asked for, by the launcher's options or by hand: the WEFT_* variables.
struct configuration {
  bool verbose = false;     // WEFT_VERBOSE=1
  bool no_children = false; // WEFT_NO_CHILDREN=1: what the program executes runs natively
  bool if_possible = false; // WEFT_IF_POSSIBLE=1: an unpatchable libc is no error
  bool io_uring = false;    // WEFT_BACKEND=io_uring: transfers are made by it, many at once
  bool preempt = true;      // WEFT_NO_PREEMPT=1: threads that compute are never interrupted
  unsigned workers = 0;     // WEFT_WORKERS=1 to 256 green threads run at a time; 0: as many as may
  std::size_t stack_size = 0; // WEFT_STACK_SIZE=bytes[K|M|G], of threads that ask for none
  report_form statistics = report_form::none; // WEFT_STATS=1 or json[:file]
  char statistics_file[4096] = {};            // empty: standard error
  int dump_signal = 0;                        // WEFT_DUMP_SIGNAL=name or number; 0: none
  unsigned warn_blocking = 0;                 // WEFT_WARN_BLOCKING=milliseconds; 0: never
};

[[nodiscard]] const configuration& the_configuration() noexcept;

/// Reads the environment. With `no_children` it also takes weft out of LD_PRELOAD there.
/// Returns a complaint about a value that makes no sense, or null.
const char* read_configuration(char** environment) noexcept;

} // namespace weft::patch
