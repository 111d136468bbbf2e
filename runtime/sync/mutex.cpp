// SPDX-License-Identifier: BSL-1.0
#include "weft/mutex.hpp"

#include <system_error>

#include "runtime/sync/holder.hpp"
#include "runtime/sync/sync_lock.hpp"
#include "runtime/sync/wait_list.hpp"

namespace weft {

using detail::nobody;
using detail::this_holder;
using detail::this_hub;

namespace {
constexpr auto relaxed = std::memory_order_relaxed;
}

void mutex::lock() {
  hub* const here = this_hub;
  if (!lock_.enter(here)) [[unlikely]]
    lock_.lock();
  if (holder_.load(relaxed) == nobody) [[likely]] {
    holder_.store(this_holder(here), relaxed);
    lock_.unlock();
    return;
  }
  wait_for_it(core::never, detail::blocking_call::mutex_lock);
}

bool mutex::lock_until(std::int64_t until, detail::blocking_call call) {
  lock_.lock();
  if (holder_.load(relaxed) != nobody) return wait_for_it(until, call);
  holder_.store(this_holder(this_hub), relaxed);
  lock_.unlock();
  return true;
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

/// Another holds it, or the caller; lock_ is held.
bool mutex::wait_for_it(std::int64_t until, detail::blocking_call call) {
  std::unique_lock held(lock_, std::adopt_lock);
  hub* const here = this_hub;
  if (detail::is_caller(holder_.load(relaxed), here))
    throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur),
                            "weft: the caller holds this mutex already; unlock it first, or use "
                            "a recursive_mutex");
  detail::waiter w = detail::waiter_on(here);
  w.token = this_holder(here);
  waiters_.push_back(w);
  const auto how = wait_in_place(held, waiters_, w, until, call);
  return how == detail::waited::woken || finish_wait(held, how);
}

/// Not the caller's; lock_ is held.
void mutex::refuse_unlock() {
  lock_.unlock();
  throw std::system_error(std::make_error_code(std::errc::operation_not_permitted),
                          "weft: unlock of a mutex that the caller does not hold; only the fiber "
                          "or thread that locked it may unlock it");
}

void mutex::unlock() {
  hub* const here = this_hub;
  if (!lock_.enter(here)) [[unlikely]]
    lock_.lock();
  const detail::holder holder = holder_.load(relaxed);
  if (holder != this_holder(here) && !detail::is_caller(holder, here)) [[unlikely]]
    refuse_unlock();
  if (waiters_.empty()) [[likely]] {
    holder_.store(nobody, relaxed);
    lock_.unlock();
    return;
  }
  detail::waiter& next = *waiters_.take_front();
  holder_.store(next.token, relaxed);
  lock_.unlock();
  detail::resume_from(here, next);
}

} // namespace weft
