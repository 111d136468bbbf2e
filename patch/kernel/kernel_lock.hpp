// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include "patch/kernel/spin_lock.hpp"
#include "patch/kernel/statistics.hpp"

namespace weft::patch {

/// Guards the machine where several workers run at a time. Whoever is inside weft has it, from the
/// beginning of a call to its end, but for what the kernel does meanwhile; a switch of threads
/// takes it along, as in a uniprocessor kernel that was made to run on several processors. Where
/// only one worker runs at a time to hold the processor is as good, and this is nothing.
///
/// Taken with `in_kernel` set, so that no signal handler can want it on the same kernel thread.
/// The only locks that may be taken under it are those of worker.cpp and preempt_stack.cpp.
class kernel_lock {
 public:
  /// To be said once, before there is a second thread. `measured`: keeps statistics.
  void use(bool measured) noexcept {
    used_ = true;
    measured_ = measured;
  }
  [[nodiscard]] bool is_used() const noexcept { return used_; }

  void acquire() noexcept {
    if (!used_) return;
    if (measured_) [[unlikely]]
      return acquire_measured();
    if (!lock_.try_lock()) [[unlikely]]
      wait();
  }
  [[nodiscard]] bool try_acquire() noexcept {
    if (!used_) return true;
    if (!lock_.try_lock()) return false;
    if (measured_) [[unlikely]]
      note_begin();
    return true;
  }
  void release() noexcept {
    if (!used_) return;
    if (measured_) [[unlikely]]
      note_end();
    lock_.unlock();
  }

  /// How often somebody had to wait for it. To be read by who has it.
  [[nodiscard]] std::uint64_t waits() const noexcept { return waits_; }
  /// All nought unless it is measured.
  [[nodiscard]] const lock_statistics& statistics() const noexcept { return statistics_; }
  /// In a fork's child, whose caller holds it.
  void forget_statistics() noexcept { statistics_ = {}; }

 private:
  // Out of line, since few need them.
  void wait() noexcept;
  void acquire_measured() noexcept;
  void note_begin() noexcept;
  void note_end() noexcept;

  bool used_ = false;
  bool measured_ = false;
  alignas(64) spin_lock lock_;
  std::uint64_t waits_ = 0;    // guarded by it
  lock_statistics statistics_; // likewise
  std::uint64_t held_since_ = 0;
};

} // namespace weft::patch
