// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include "patch/kernel/spin_lock.hpp"

namespace weft::patch {

/// Guards the machine where several workers run at a time. Whoever is inside weft has it, from the
/// beginning of a call to its end, but for what the kernel does meanwhile; a switch of threads takes
/// it along, as in a uniprocessor kernel that was made to run on several processors. Where only one
/// worker runs at a time to hold the processor is as good, and this is nothing.
///
/// Taken with `in_kernel` set, so that no signal handler can want it on the same kernel thread.
/// The only locks that may be taken under it are those of worker.cpp and preempt_stack.cpp.
class kernel_lock {
 public:
  /// To be said once, before there is a second thread.
  void use() noexcept { used_ = true; }
  [[nodiscard]] bool is_used() const noexcept { return used_; }

  void acquire() noexcept {
    if (used_) lock_.lock();
  }
  [[nodiscard]] bool try_acquire() noexcept { return !used_ || lock_.try_lock(); }
  void release() noexcept {
    if (used_) lock_.unlock();
  }

 private:
  bool used_ = false;
  alignas(64) spin_lock lock_;
};

} // namespace weft::patch
