// SPDX-License-Identifier: BSL-1.0
#include "weft/shared_mutex.hpp"

#include <system_error>

#include "runtime/sync/holder.hpp"

namespace weft {

using detail::blocking_call;
using detail::is_caller;
using detail::nobody;
using detail::this_holder;
using detail::this_hub;
using detail::waited;
using detail::waiter;

namespace {

// waiter::kind
constexpr std::uint32_t alone = 0;
constexpr std::uint32_t shared = 1;

[[noreturn]] void not_held(const char* text) {
  throw std::system_error(std::make_error_code(std::errc::operation_not_permitted), text);
}

} // namespace

void shared_mutex::refuse_holder() const {
  if (holder_ != nobody && is_caller(holder_, this_hub))
    throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur),
                            "weft: the caller holds this shared_mutex alone already; unlock it "
                            "first");
}

/// Gives it to those in front who can have it now: a chain to be resumed.
waiter* shared_mutex::hand_over() noexcept {
  waiter* const first = waiters_.first();
  if (!first || holder_ != nobody) return nullptr;
  if (first->kind == alone) {
    if (shares_ != 0) return nullptr;
    holder_ = first->token;
    return waiters_.take(1);
  }
  std::size_t readers = 0;
  for (const waiter* w = first; w && w->kind == shared; w = w->next)
    ++readers;
  shares_ += readers;
  return waiters_.take(readers);
}

bool shared_mutex::wait_for_it(std::unique_lock<detail::sync_lock>& held, waiter& w,
                               std::int64_t until, blocking_call call) {
  waiters_.push_back(w);
  const auto how = wait_in(held, waiters_, w, until, call);
  if (how == waited::woken) return true;
  detail::resume_all(hand_over()); // those behind who waited only for this one
  return finish_wait(held, how);
}

bool shared_mutex::lock_until(std::int64_t until) {
  std::unique_lock held(lock_);
  const detail::holder self = this_holder(this_hub);
  if (holder_ == nobody && shares_ == 0) { // then nobody waits
    holder_ = self;
    return true;
  }
  refuse_holder();
  waiter w;
  w.kind = alone;
  w.token = self;
  return wait_for_it(held, w, until, blocking_call::shared_mutex_lock);
}

bool shared_mutex::try_lock() noexcept {
  const std::lock_guard held(lock_);
  if (holder_ != nobody || shares_ != 0) return false;
  holder_ = this_holder(this_hub);
  return true;
}

void shared_mutex::unlock() {
  std::unique_lock held(lock_);
  if (holder_ == nobody || !is_caller(holder_, this_hub))
    not_held("weft: unlock of a shared_mutex that the caller does not hold alone; only the fiber "
             "or thread that locked it may unlock it, and a share is given back by unlock_shared");
  holder_ = nobody;
  waiter* const woken = hand_over();
  held.unlock();
  detail::resume_all(woken);
}

bool shared_mutex::lock_shared_until(std::int64_t until) {
  std::unique_lock held(lock_);
  if (holder_ == nobody && waiters_.empty()) {
    ++shares_;
    return true;
  }
  refuse_holder();
  waiter w;
  w.kind = shared;
  return wait_for_it(held, w, until, blocking_call::shared_mutex_lock_shared);
}

bool shared_mutex::try_lock_shared() noexcept {
  const std::lock_guard held(lock_);
  if (holder_ != nobody || !waiters_.empty()) return false;
  ++shares_;
  return true;
}

void shared_mutex::unlock_shared() {
  std::unique_lock held(lock_);
  if (shares_ == 0)
    not_held("weft: unlock_shared of a shared_mutex that nobody shares; give back each share once");
  --shares_;
  waiter* const woken = hand_over();
  held.unlock();
  detail::resume_all(woken);
}

} // namespace weft
