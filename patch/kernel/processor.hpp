// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>

#include "patch/kernel/green.hpp"
#include "runtime/core/list.hpp"

namespace weft::patch {

struct worker;

/// The right to run green threads, as Go's P: whoever holds it, one worker at a time, may touch
/// all that the machine keeps, as under a lock. A worker that is stuck in a call of the kernel's
/// has it taken away by the monitor and given to another (monitor.hpp), and asks for it again by
/// putting its thread among those that `returned`.
struct processor {
  core::list<green, ready_tag> ready;

  /// Switches left until events are polled although threads are ready.
  unsigned budget = 0;

  std::atomic<worker*> holder{nullptr};
  /// Who holds it unless it is stuck: the initial kernel thread, which is what the kernel takes
  /// for the process when it sends signals, and what alone is left when the threads are gone.
  worker* home = nullptr;

  /// Threads that came back from the kernel on a worker without a processor; last in, first out.
  std::atomic<green*> returned{nullptr};

  /// The holder is about to wait, or waits, for events.
  std::atomic<bool> polling{false};

  /// How often another thread was switched to; a thread that keeps the processor for long is
  /// known by its standing still.
  std::atomic<std::uint64_t> turns{0};
};

} // namespace weft::patch
