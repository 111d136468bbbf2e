// SPDX-License-Identifier: BSL-1.0
#include "weft/semaphore.hpp"

#include "runtime/sync/sync_lock.hpp"
#include "runtime/sync/wait_list.hpp"

namespace weft {

using detail::this_hub;

void semaphore::acquire() {
  hub* const here = this_hub;
  if (!lock_.enter(here)) [[unlikely]]
    lock_.lock();
  if (free_ > 0) [[likely]] {
    --free_;
    lock_.unlock();
    return;
  }
  wait_for_it(core::never);
}

bool semaphore::acquire_until(std::int64_t until) {
  lock_.lock();
  if (free_ == 0) return wait_for_it(until);
  --free_;
  lock_.unlock();
  return true;
}

/// There is no permit; lock_ is held.
bool semaphore::wait_for_it(std::int64_t until) {
  std::unique_lock held(lock_, std::adopt_lock);
  detail::waiter self = detail::waiter_on(this_hub);
  waiters_.push_back(self);
  const auto how =
      wait_in_place(held, waiters_, self, until, detail::blocking_call::semaphore_acquire);
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
  hub* const here = this_hub;
  if (!lock_.enter(here)) [[unlikely]]
    lock_.lock();
  std::unique_lock held(lock_, std::adopt_lock);
  if (permits > most_ - free_)
    throw std::length_error("weft: more permits were released than were acquired; release each "
                            "once");
  if (waiters_.empty()) {
    free_ += permits;
    return;
  }
  if (permits == 1) [[likely]] { // the usual hand-over
    detail::waiter& next = *waiters_.take_front();
    held.unlock();
    detail::resume_from(here, next);
    return;
  }
  detail::waiter* const woken = waiters_.take(static_cast<std::size_t>(permits));
  for (const detail::waiter* w = woken; w; w = w->next)
    --permits;
  free_ += permits;
  held.unlock();
  detail::resume_all(woken);
}

std::ptrdiff_t semaphore::available() const noexcept {
  const std::lock_guard held(lock_);
  return free_;
}

} // namespace weft
