// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/syscall.h>

#include <atomic>

#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {

/// A lock for a few instructions, among weft's own kernel threads. Never taken in the program's
/// code, nor where a signal of the program's could be handled.
class spin_lock {
 public:
  void lock() noexcept {
    for (unsigned tries = 0; taken_.exchange(true, std::memory_order_acquire);) {
      if (++tries % 64 == 0) raw_syscall(SYS_sched_yield);
      __builtin_ia32_pause();
    }
  }
  void unlock() noexcept { taken_.store(false, std::memory_order_release); }
  /// In a fork's child, whose other threads can't unlock it any more.
  void reset() noexcept { unlock(); }

 private:
  std::atomic<bool> taken_{false};
};

class spin_guard {
 public:
  explicit spin_guard(spin_lock& l) noexcept : lock_(l) { lock_.lock(); }
  ~spin_guard() { lock_.unlock(); }
  spin_guard(const spin_guard&) = delete;
  spin_guard& operator=(const spin_guard&) = delete;

 private:
  spin_lock& lock_;
};

} // namespace weft::patch
