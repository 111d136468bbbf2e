// SPDX-License-Identifier: BSL-1.0
#include "runtime/sync/sync_lock.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "runtime/sched/biased_lock.hpp"
#include "runtime/sched/hub.hpp"

namespace weft::detail {
namespace {

// An address that no hub has.
const char shared_mark = 0;
hub* shared() noexcept {
  return reinterpret_cast<hub*>(const_cast<char*>(&shared_mark));
}

// Of word_.
constexpr std::uint32_t unlocked = 0;
constexpr std::uint32_t locked = 1;
constexpr std::uint32_t contended = 2;

} // namespace

void sync_lock::lock() noexcept {
  hub* const here = this_hub;
  if (!enter(here)) [[unlikely]]
    lock_slowly(here);
}

void sync_lock::lock_slowly(hub* here) noexcept {
  hub* nobody = nullptr;
  if (here && owner_.load(std::memory_order_relaxed) == nullptr &&
      owner_.compare_exchange_strong(nobody, here, std::memory_order_acq_rel))
    return lock();
  lock_word();
  if (owner_.load(std::memory_order_acquire) != shared()) revoke();
  held_as_owner_ = false;
}

void sync_lock::revoke() noexcept {
  owner_.store(shared(), std::memory_order_seq_cst);
  heavy_fence();
  for (int spins = 0; inside_.load(std::memory_order_seq_cst); ++spins)
    if (spins > 100) std::this_thread::yield(); // the owner was preempted in its few instructions
}

void sync_lock::lock_word() noexcept {
  std::uint32_t was = unlocked;
  if (word_.compare_exchange_strong(was, locked, std::memory_order_acquire)) return;
  const int error = errno;
  if (was != contended) was = word_.exchange(contended, std::memory_order_acquire);
  while (was != unlocked) {
    ::syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, contended, nullptr, nullptr, 0);
    was = word_.exchange(contended, std::memory_order_acquire);
  }
  errno = error;
}

void sync_lock::unlock_word() noexcept {
  if (word_.exchange(unlocked, std::memory_order_release) != contended) return;
  // The object may be gone by now: the address is only a number to the kernel.
  const int error = errno;
  ::syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  errno = error;
}

} // namespace weft::detail
