// SPDX-License-Identifier: BSL-1.0
#include "weft/once.hpp"

#include <system_error>

#include "runtime/sync/holder.hpp"

namespace weft {

using detail::is_caller;
using detail::nobody;
using detail::this_hub;

/// True if it is the caller's turn, false if it was done.
bool once_flag::begin() {
  std::unique_lock held(lock_);
  if (done_.load(std::memory_order_relaxed)) return false;
  const detail::holder self = detail::this_holder(this_hub);
  if (caller_ == nobody) {
    caller_ = self;
    return true;
  }
  if (is_caller(caller_, this_hub))
    throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur),
                            "weft: call_once within its own call; use another flag");
  detail::waiter w;
  w.token = self;
  waiters_.push_back(w);
  const auto how = wait_in(held, waiters_, w, core::never, detail::blocking_call::call_once);
  if (how != detail::waited::woken) finish_wait(held, how);
  return !done(); // not done: the turn was handed over
}

void once_flag::end(bool success) noexcept {
  std::unique_lock held(lock_);
  if (success) done_.store(true, std::memory_order_release);
  detail::waiter* const woken = success ? waiters_.take_all() : waiters_.take(1);
  caller_ = woken && !success ? woken->token : nobody;
  held.unlock();
  detail::resume_all(woken);
}

} // namespace weft
