// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/sched/stack_trace.hpp"

namespace weft {
class hub;
}

namespace weft::detail {

/// What a hub's thread does at a moment.
struct sample {
  std::string culprit; // as in slow_report
  bool alone = false;  // the thread's own fiber, and the hub has no other
  stack_trace trace;
};

/// Has the hub's thread look at itself, by a signal. Empty if its loop had its turn since `turns`
/// was read, or if the thread does not take the signal. Any thread but that one; blocks it.
std::optional<sample> sample_thread(hub& h, std::uint64_t turns);

/// While one exists the signal is handled; the last restores its disposition.
class sampling {
 public:
  sampling();
  sampling(const sampling&) = delete;
  sampling& operator=(const sampling&) = delete;
  ~sampling();
};

} // namespace weft::detail
