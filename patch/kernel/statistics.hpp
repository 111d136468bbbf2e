// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace weft::patch {

enum class park_reason : std::uint8_t { sleep, futex, io, poll, signal, count };

[[nodiscard]] const char* name_of(park_reason reason) noexcept;

/// What --stats prints. Plain counters: each is written by one worker at a time.
struct statistics {
  std::uint64_t switches = 0;
  std::uint64_t parks[static_cast<int>(park_reason::count)] = {};
  std::uint64_t threads_made = 0;
  unsigned threads_peak = 0; // green threads alive at once
  std::uint64_t hand_overs = 0;
  std::uint64_t preemptions = 0;
  std::uint64_t steals = 0; // threads that another processor took over
  std::uint64_t helps = 0;  // sleeping workers that were woken for ready threads
};

/// Where reports are written: standard error as it is now, since many programs close theirs
/// before they exit (to notice that writing failed). Returns its descriptor.
int keep_report_open() noexcept;

/// The same for the statistics alone: lines are added to that file. False if it cannot be opened.
bool open_statistics_file(const char* path) noexcept;

/// One line a topic.
void print(const statistics& s) noexcept;

/// One line, an object of JSON.
void print_json(const statistics& s, int process) noexcept;

} // namespace weft::patch
