// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/syscall.h>
#include <time.h>

#include <atomic>
#include <cstdint>

#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {

/// Waits a moment for another kernel thread to do the little that is missing. Not by sched_yield,
/// by which a thread of a real-time class lets no other run.
inline void let_holder_run() noexcept {
  const timespec moment{0, 20'000};
  raw_syscall(SYS_nanosleep, &moment, nullptr);
}

/// A lock for a few instructions, among weft's own kernel threads. Never taken in the program's
/// code, nor where a signal of the program's could be handled. Who waits for longer than its
/// holders need sleeps for a moment, since this one may have no processor of the machine's just
/// now.
class spin_lock {
 public:
  void lock() noexcept {
    if (taken_.exchange(true, std::memory_order_acquire)) [[unlikely]]
      wait();
  }
  [[nodiscard]] bool try_lock() noexcept {
    return !taken_.exchange(true, std::memory_order_acquire);
  }
  void unlock() noexcept { taken_.store(false, std::memory_order_release); }
  /// In a fork's child, whose other threads can't unlock it any more.
  void reset() noexcept { unlock(); }

 private:
  [[gnu::noinline]] void wait() noexcept {
    // In cycles of the time-stamp counter, some 25 us. Most hold it for 0.1 us, who makes a batch
    // of threads ready for 10; and to sleep costs 70. (With 4 us two workers that serve 200
    // connections slept 16,000 times in 3 seconds, and got a fifth less done.)
    constexpr std::uint64_t patience = 50'000;
    for (std::uint64_t begun = __builtin_ia32_rdtsc();;) {
      if (!taken_.load(std::memory_order_relaxed) &&
          !taken_.exchange(true, std::memory_order_acquire))
        return;
      if (__builtin_ia32_rdtsc() - begun > patience) {
        let_holder_run();
        begun = __builtin_ia32_rdtsc();
      } else {
        __builtin_ia32_pause();
      }
    }
  }

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
