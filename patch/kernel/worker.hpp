// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <signal.h>

#include <cstdint>

#include "patch/kernel/green.hpp"
#include "runtime/core/list.hpp"

namespace weft::patch {

/// A kernel thread that runs green threads, and what belongs to it alone.
struct worker {
  core::list<green, ready_tag> ready;

  /// The worker's own context: polls for events when nothing is ready. A green thread
  /// only in form; it has a thread pointer of its own, since the last thread's TLS may be
  /// gone by the time that the worker polls.
  green idle;

  /// Switches left until events are polled although threads are ready.
  unsigned budget = 0;

  /// What the kernel blocks for this kernel thread while it runs the program.
  std::uint64_t kernel_mask = 0;

  /// Set while the kernel blocks everything because a handler of weft's has just begun.
  bool kernel_blocks_all = false;

  /// The kernel's alternate signal stack of this kernel thread. The green threads' own are
  /// changed too often to tell the kernel; who is to handle a signal goes from here to its own.
  char* signal_stack = nullptr;
  static constexpr std::size_t signal_stack_size = 64 * 1024;
  bool has_signal_stack = false; // the kernel knows it

  /// A signal that arrived in weft's own code. The kernel keeps back all further ones
  /// until it has been dealt with, so that one place is enough and none is lost.
  volatile bool signal_arrived = false;
  siginfo_t arrived;
};

} // namespace weft::patch
