// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace weft::patch {

enum class park_reason : std::uint8_t { sleep, futex, io, poll, child, signal, count };

/// What --stats prints. Plain counters: each is written by one worker at a time.
struct statistics {
  std::uint64_t switches = 0;
  std::uint64_t parks[static_cast<int>(park_reason::count)] = {};
  std::uint64_t threads_made = 0;
  unsigned threads_peak = 0; // green threads alive at once
};

/// Where `print` will write: standard error as it is now. Many programs close theirs before
/// they exit (to notice that writing failed), and would take the report along.
void keep_report_open() noexcept;

/// One line a topic.
void print(const statistics& s) noexcept;

} // namespace weft::patch
