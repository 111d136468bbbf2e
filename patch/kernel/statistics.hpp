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
  unsigned threads_peak = 0;  // green threads alive at once
};

/// One line a topic to standard error.
void print(const statistics& s) noexcept;

}  // namespace weft::patch
