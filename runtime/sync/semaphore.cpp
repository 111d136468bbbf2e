// SPDX-License-Identifier: BSL-1.0
#include "weft/semaphore.hpp"

#include "runtime/sync/sync_lock.hpp"

namespace weft {

using detail::this_hub;

void semaphore::acquire() {
  if (lock_.enter(this_hub)) [[likely]] {
    const bool taken = free_ > 0;
    free_ -= taken;
    lock_.leave();
    if (taken) [[likely]]
      return;
  }
  acquire_until(core::never);
}

bool semaphore::acquire_until(std::int64_t until) {
  std::unique_lock held(lock_);
  if (free_ > 0) {
    --free_;
    return true;
  }
  detail::waiter self;
  waiters_.push_back(self);
  const auto how = wait_in(held, waiters_, self, until, detail::blocking_call::semaphore_acquire);
  return how == detail::waited::woken || finish_wait(held, how);
}

bool semaphore::try_acquire() noexcept {
  const std::lock_guard held(lock_);
  if (free_ == 0) return false;
  --free_;
  return true;
}

void semaphore::release(std::ptrdiff_t permits) {
  if (permits < 0) throw std::invalid_argument("weft: release of less than 0 permits");
  std::unique_lock held(lock_);
  if (permits > most_ - free_)
    throw std::length_error("weft: more permits were released than were acquired; release each "
                            "once");
  std::ptrdiff_t handed_over = 0;
  detail::waiter* const woken = waiters_.take(static_cast<std::size_t>(permits));
  for (const detail::waiter* w = woken; w; w = w->next)
    ++handed_over;
  free_ += permits - handed_over;
  held.unlock();
  detail::resume_all(woken);
}

std::ptrdiff_t semaphore::available() const noexcept {
  const std::lock_guard held(lock_);
  return free_;
}

} // namespace weft
