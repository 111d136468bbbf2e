// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <valgrind/callgrind.h>

#include <cstdio>

/// Instructions of short stretches of code, as callgrind counts them. Each stretch is run several
/// times, for what is done only now and then (a look at the clock, at descriptors) is in some of
/// the runs; who reads the dumps (instructions.py) takes the least.
namespace bench {

constexpr int operations = 5; // of a stretch

/// Counts `operation`, done so many times. The dump's name says what it is, and of how many.
template <class Operation>
void count(const char* name, Operation operation) {
  char label[64];
  std::snprintf(label, sizeof label, "%s %d", name, operations);
  operation(); // what is done once
  for (int run = 0; run < 30; ++run) {
    CALLGRIND_ZERO_STATS;
    for (int i = 0; i < operations; ++i)
      operation();
    CALLGRIND_DUMP_STATS_AT(label);
  }
}

/// What counting itself takes.
inline void count_nothing() {
  count("nothing", [] { asm volatile(""); });
}

} // namespace bench
