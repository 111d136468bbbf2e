// SPDX-License-Identifier: BSL-1.0
#include "weft/latch.hpp"

namespace weft {

void latch::count_down(std::ptrdiff_t by) {
  if (by < 0) throw std::invalid_argument("weft: a latch counts down only");
  std::unique_lock held(lock_);
  const std::ptrdiff_t left = left_.load(std::memory_order_relaxed);
  if (by > left)
    throw std::logic_error("weft: a latch was counted down more often than it was made for; make "
                           "it with the number of all that count");
  left_.store(left - by, std::memory_order_release);
  if (left != by) return;
  detail::waiter* const woken = waiters_.take_all();
  held.unlock();
  detail::resume_all(woken);
}

bool latch::wait_until(std::int64_t until) {
  std::unique_lock held(lock_);
  if (left_.load(std::memory_order_relaxed) == 0) return true;
  detail::waiter self;
  waiters_.push_back(self);
  const auto how = wait_in(held, waiters_, self, until, detail::blocking_call::latch_wait);
  return how == detail::waited::woken || finish_wait(held, how);
}

} // namespace weft
