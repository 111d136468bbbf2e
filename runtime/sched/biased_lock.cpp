// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/biased_lock.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <new>
#include <thread>

namespace weft::detail {
namespace {

// A process has to register once; the registration is inherited over fork. Containers may
// forbid the call: then both sides use ordinary fences.
bool register_membarrier() noexcept {
  if (under_tsan) return false;
  return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

} // namespace

bool asymmetric_fences = register_membarrier();

void heavy_fence() noexcept {
#if !defined(__SANITIZE_THREAD__)
  if (asymmetric_fences && syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
    return;
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

void biased_lock::lock_as_owner_slowly() noexcept {
  inside_.store(false, std::memory_order_release);
  mutex_.lock();
  owner_holds_mutex_ = true;
}

void biased_lock::unlock_as_owner_slowly() noexcept {
  owner_holds_mutex_ = false;
  mutex_.unlock();
}

void biased_lock::lock_as_other() noexcept {
  mutex_.lock();
  wanted_.store(true, std::memory_order_seq_cst);
  heavy_fence();
  for (int spins = 0; inside_.load(std::memory_order_seq_cst); ++spins)
    if (spins > 100) std::this_thread::yield(); // the owner was preempted in its few instructions
}

void biased_lock::unlock_as_other() noexcept {
  wanted_.store(false, std::memory_order_release);
  mutex_.unlock();
}

void biased_lock::reset_after_fork() noexcept {
  inside_.store(false, std::memory_order_relaxed);
  wanted_.store(false, std::memory_order_relaxed);
  owner_holds_mutex_ = false;
  ::new (static_cast<void*>(&mutex_)) std::mutex;
}

} // namespace weft::detail
