// SPDX-License-Identifier: BSL-1.0
#include "weft/barrier.hpp"

namespace weft::detail {

void barrier_base::check_arrival(std::ptrdiff_t by) const {
  if (by < 1) throw std::invalid_argument("weft: one party at least arrives at a barrier");
  if (by > left_)
    throw std::logic_error("weft: more parties arrived at a barrier than it is for; make it for "
                           "all of them, and let each arrive once in a phase");
}

/// The last one has arrived.
void barrier_base::end_phase(std::unique_lock<sync_lock>& held, completion c) noexcept {
  // Those who wait are taken out first: now that all have arrived nobody may leave as if it had
  // not. `wait` may add others while the function runs.
  waiter* const woken = waiters_.take_all();
  held.unlock();
  c.call(c.object);
  held.lock();
  ++phase_;
  left_ = parties_;
  waiter* const late = waiters_.take_all();
  held.unlock(); // the first to run may destroy this barrier
  resume_all(woken);
  resume_all(late);
}

std::uint64_t barrier_base::arrive(std::ptrdiff_t by, bool leave, completion c) {
  std::unique_lock held(lock_);
  check_arrival(by);
  const std::uint64_t phase = phase_;
  left_ -= by;
  parties_ -= leave;
  if (left_ == 0) end_phase(held, c);
  return phase;
}

bool barrier_base::wait_for_end_of(std::uint64_t phase, std::int64_t until) {
  std::unique_lock held(lock_);
  if (phase_ != phase) return true;
  waiter self;
  waiters_.push_back(self);
  const auto how = wait_in(held, waiters_, self, until, blocking_call::barrier_wait);
  return how == waited::woken || finish_wait(held, how);
}

bool barrier_base::arrive_and_wait(std::int64_t until, completion c) {
  std::unique_lock held(lock_);
  check_arrival(1);
  if (left_ == 1) {
    left_ = 0;
    end_phase(held, c);
    return true;
  }
  waiter self; // may throw
  --left_;
  waiters_.push_back(self);
  const auto how = wait_in(held, waiters_, self, until, blocking_call::barrier_wait);
  if (how == waited::woken) return true;
  ++left_; // nobody has taken it: the phase is not over
  return finish_wait(held, how);
}

} // namespace weft::detail
