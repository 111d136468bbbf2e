// SPDX-License-Identifier: BSL-1.0
#include "weft/event.hpp"

namespace weft {

void event::set() noexcept {
  std::unique_lock held(lock_);
  set_.store(true, std::memory_order_release);
  detail::waiter* const woken = waiters_.take_all();
  held.unlock();
  detail::resume_all(woken);
}

void event::clear() noexcept {
  const std::lock_guard held(lock_);
  set_.store(false, std::memory_order_relaxed);
}

bool event::wait_until(std::int64_t until) {
  std::unique_lock held(lock_);
  if (set_.load(std::memory_order_relaxed)) return true;
  detail::waiter self;
  waiters_.push_back(self);
  const auto how = wait_in(held, waiters_, self, until, detail::blocking_call::event_wait);
  return how == detail::waited::woken || finish_wait(held, how);
}

} // namespace weft
