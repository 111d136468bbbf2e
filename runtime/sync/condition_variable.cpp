// SPDX-License-Identifier: BSL-1.0
#include "weft/condition_variable.hpp"

#include "runtime/sched/hub.hpp"

namespace weft {

using detail::this_hub;
using detail::waited;

namespace {
constexpr auto call = detail::blocking_call::condition_wait;
}

void condition_variable::notify_one() noexcept {
  std::unique_lock held(lock_);
  detail::waiter* const woken = waiters_.take(1);
  held.unlock();
  detail::resume_all(woken);
}

void condition_variable::notify_all() noexcept {
  std::unique_lock held(lock_);
  detail::waiter* const woken = waiters_.take_all();
  held.unlock();
  detail::resume_all(woken);
}

/// The caller's lock was not held: it does not wait, and somebody else gets what came for it.
void condition_variable::leave_and_pass_on(detail::waiter& w) {
  {
    const std::lock_guard held(lock_);
    if (waiters_.remove(w)) return;
  }
  detail::wait_until_woken(w, call);
  notify_one();
}

bool condition_variable::wait_until(lockable lock, std::int64_t until) {
  if (this_hub) this_hub->switch_point();
  detail::waiter self;
  {
    const std::lock_guard held(lock_);
    waiters_.push_back(self); // before it unlocks: what is notified from then on reaches it
  }
  try {
    lock.unlock(lock.object);
  } catch (...) {
    leave_and_pass_on(self);
    throw;
  }
  auto how = waited::woken;
  {
    std::unique_lock held(lock_);
    if (waiters_.contains(self)) {
      how = wait_in(held, waiters_, self, until, call);
    } else {
      held.unlock();
      detail::wait_until_woken(self, call);
    }
  }
  // Nothing may come out of it: then no request is thrown inside either, but stays pending.
  [&]() noexcept { lock.lock(lock.object); }();
  if (how != waited::woken && this_hub) this_hub->switch_point();
  return how == waited::woken;
}

} // namespace weft
