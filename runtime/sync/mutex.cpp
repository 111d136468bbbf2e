// SPDX-License-Identifier: BSL-1.0
#include "weft/mutex.hpp"

#include <system_error>

#include "runtime/sync/holder.hpp"
#include "runtime/sync/sync_lock.hpp"

namespace weft {

using detail::nobody;
using detail::this_holder;
using detail::this_hub;

namespace {
constexpr auto relaxed = std::memory_order_relaxed;
}

void mutex::lock() {
  hub* const here = this_hub;
  if (lock_.enter(here)) [[likely]] {
    const bool free = holder_.load(relaxed) == nobody;
    if (free) [[likely]]
      holder_.store(this_holder(here), relaxed);
    lock_.leave();
    if (free) [[likely]]
      return;
  }
  wait_for_it(core::never, detail::blocking_call::mutex_lock);
}

bool mutex::lock_until(std::int64_t until) {
  return wait_for_it(until, detail::blocking_call::mutex_lock);
}

bool mutex::try_lock() noexcept {
  const std::lock_guard held(lock_);
  if (holder_.load(relaxed) != nobody) return false;
  holder_.store(this_holder(this_hub), relaxed);
  return true;
}

bool mutex::held_by_caller() const noexcept {
  return detail::is_caller(holder_.load(relaxed), this_hub);
}

bool mutex::wait_for_it(std::int64_t until, detail::blocking_call call) {
  std::unique_lock held(lock_);
  hub* const here = this_hub;
  const detail::holder self = this_holder(here);
  if (holder_.load(relaxed) == nobody) {
    holder_.store(self, relaxed);
    return true;
  }
  if (held_by_caller())
    throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur),
                            "weft: the caller holds this mutex already; unlock it first, or use "
                            "a recursive_mutex");
  detail::waiter w;
  w.token = self;
  waiters_.push_back(w);
  const auto how = wait_in(held, waiters_, w, until, call);
  return how == detail::waited::woken || finish_wait(held, how);
}

void mutex::unlock() {
  hub* const here = this_hub;
  if (lock_.enter(here)) [[likely]] {
    const bool simple = holder_.load(relaxed) == this_holder(here) && waiters_.empty();
    if (simple) [[likely]]
      holder_.store(nobody, relaxed);
    lock_.leave();
    if (simple) [[likely]]
      return;
  }
  unlock_slowly();
}

void mutex::unlock_slowly() {
  std::unique_lock held(lock_);
  if (!held_by_caller())
    throw std::system_error(std::make_error_code(std::errc::operation_not_permitted),
                            "weft: unlock of a mutex that the caller does not hold; only the fiber "
                            "or thread that locked it may unlock it");
  if (waiters_.empty()) {
    holder_.store(nobody, relaxed);
    return;
  }
  detail::waiter& next = *waiters_.take_front();
  holder_.store(next.token, relaxed);
  held.unlock();
  detail::resume(next);
}

} // namespace weft
