// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdint>

namespace weft::patch {

class processor_set;

enum class park_reason : std::uint8_t { sleep, futex, io, poll, signal, count };

[[nodiscard]] const char* name_of(park_reason reason) noexcept;

/// What --stats prints of the whole process. Plain counters, guarded by the machine's lock. What
/// they mean is told to users in the top README.md.
struct statistics {
  std::uint64_t parks[static_cast<int>(park_reason::count)] = {};
  std::uint64_t threads_made = 0;
  unsigned threads_peak = 0;       // green threads alive at once
  std::uint64_t helps = 0;         // workers called to ready threads
  std::uint64_t helps_in_vain = 0; // of those, that found none
  std::uint64_t polls = 0;         // looks at events while threads were ready
  std::uint64_t waits = 0;         // for events, with nothing to run
  std::uint64_t batches = 0;       // of transfers, each made by one system call
  std::uint64_t batched = 0;       // transfers made so
};

/// Of one processor. Written by who holds it, or is just giving it to another.
struct processor_statistics {
  std::atomic<std::uint64_t> switches{0}; // which the monitor reads, too
  std::uint64_t migrations = 0;           // threads that ran on another one the last time
  std::uint64_t steals = 0;               // threads taken over from another's queue
  std::uint64_t hand_overs = 0;           // taken from a worker in a call of the kernel's
  std::uint64_t preemptions = 0;          // (written by the monitor alone)
  std::uint64_t wakes = 0;                // of sleeping workers, to be given it

  void reset() noexcept;
};

/// Of the machine's lock. Times are in cycles of the time-stamp counter.
struct lock_statistics {
  std::uint64_t taken = 0;
  std::uint64_t contended = 0; // of those, after a wait
  std::uint64_t held = 0;
  std::uint64_t held_longest = 0;
  std::uint64_t waited = 0;
  std::uint64_t waited_longest = 0;
};

/// Where reports are written: standard error as it is now, since many programs close theirs
/// before they exit (to notice that writing failed). Returns its descriptor.
int keep_report_open() noexcept;

/// The same for the statistics alone: lines are added to that file. False if it cannot be opened.
bool open_statistics_file(const char* path) noexcept;

/// From here on the time-stamp counter is compared with the clock.
void begin_statistics() noexcept;

/// One line a topic.
void print(const statistics& s, const processor_set& processors,
           const lock_statistics& lock) noexcept;

/// One line, an object of JSON.
void print_json(const statistics& s, const processor_set& processors, const lock_statistics& lock,
                int process) noexcept;

} // namespace weft::patch
