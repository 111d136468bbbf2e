// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/state.hpp"

#include <cstdint>

#include "runtime/sched/error_report.hpp"
#include "runtime/sched/homeless.hpp"

namespace weft::detail {
namespace {

// Homeless states have no owner: mutexes shared by address.
std::mutex mutexes[64];

std::mutex& mutex_of(state& s) noexcept {
  return mutexes[(reinterpret_cast<std::uintptr_t>(&s) >> 7) % 64];
}

std::atomic<std::uint64_t> homeless_completions{0};

} // namespace

state_guard::state_guard(state& s) noexcept : home_(s.home), owner_(home_ == this_hub) {
  if (!home_) {
    mutex_ = &mutex_of(s);
    mutex_->lock();
  } else if (owner_) {
    home_->state_lock().lock_as_owner();
  } else {
    home_->state_lock().lock_as_other();
  }
}

state_guard::~state_guard() {
  if (mutex_)
    mutex_->unlock();
  else if (owner_)
    home_->state_lock().unlock_as_owner();
  else
    home_->state_lock().unlock_as_other();
}

bool attach(state& s, completion& c) noexcept {
  c.of = &s;
  state_guard held(s);
  if (s.done()) return false;
  if (completion* first = s.waiters) {
    c.next = first;
    c.prev = first->prev;
    first->prev->next = &c;
    first->prev = &c;
  } else {
    s.waiters = c.next = c.prev = &c;
  }
  return true;
}

bool detach(completion& c) noexcept {
  state& s = *c.of;
  state_guard held(s);
  if (!c.next) return false;
  if (c.next == &c) {
    s.waiters = nullptr;
  } else {
    c.prev->next = c.next;
    c.next->prev = c.prev;
    if (s.waiters == &c) s.waiters = c.next;
  }
  c.next = c.prev = nullptr;
  return true;
}

completion* take_waiters_slowly(state& s) noexcept {
  completion* first = std::exchange(s.waiters, nullptr);
  first->prev->next = nullptr;
  for (completion* c = first; c;) { // the chain uses the inbox's link: none is in an inbox yet
    completion* next = std::exchange(c->next, nullptr);
    c->prev = nullptr;
    c->next_in_inbox = next;
    c = next;
  }
  return first;
}

void deliver_all(completion* chain, hub* here) noexcept {
  while (chain) {
    completion& c = *chain;
    chain = static_cast<completion*>(c.next_in_inbox);
    if (!c.home || c.home == here || !c.home->post(c)) c.deliver(c);
  }
}

namespace {
completion* take_outcome_locked(state& s, outcome_kind outcome) noexcept {
  s.finished_as = s.home ? s.home->next_completion()
                         : homeless_completions.fetch_add(1, std::memory_order_relaxed);
  s.outcome.store(outcome, std::memory_order_release);
  return take_waiters(s);
}
} // namespace

completion* take_outcome(state& s, outcome_kind outcome) noexcept {
  const state_guard held(s);
  return take_outcome_locked(s, outcome);
}

bool settle(state& s, outcome_kind outcome) noexcept {
  completion* waiters;
  {
    state_guard held(s);
    if (s.done()) return false;
    waiters = take_outcome_locked(s, outcome);
  }
  deliver_all(waiters, this_hub);
  return true;
}

void reset_homeless_after_fork() noexcept {
  for (std::mutex& mutex : mutexes)
    ::new (static_cast<void*>(&mutex)) std::mutex;
}

// Counting handles. The home thread counts in `local_refs`, everybody else in `shared_refs`,
// which goes below zero when a handle made there is dropped elsewhere. When the local count
// reaches zero, or somebody else's drop makes the shared one negative, the local count is merged
// into the shared one, under the lock, and from then on everybody uses that. The right to merge
// after a drop is a bit in the shared count itself: nobody but its owner may touch the block
// after giving up a handle.

namespace {
constexpr std::int32_t one = 4;
constexpr std::int32_t merged = 1;
constexpr std::int32_t merging = 2;
static_assert(first_homeless_handle == one + merged);
static_assert(two_homeless_handles == 2 * one + merged);

std::int32_t count(std::int32_t shared) noexcept {
  return shared >> 2;
}

/// Under the lock; says whether no handle is left.
bool merge(state& s, std::int32_t bits) noexcept {
  const std::int32_t add = std::exchange(s.local_refs, 0) * one + bits;
  return count(s.shared_refs.fetch_add(add, std::memory_order_acq_rel) + add) == 0;
}

/// From a thread that is not the home's; says whether no handle is left.
bool release_shared(state& s) noexcept {
  std::int32_t before = s.shared_refs.load(std::memory_order_relaxed);
  std::int32_t after;
  bool mine;
  do {
    after = before - one;
    mine = count(after) < 0 && (after & (merged | merging)) == 0;
    if (mine) after |= merging;
  } while (!s.shared_refs.compare_exchange_weak(before, after, std::memory_order_acq_rel,
                                                std::memory_order_relaxed));
  if ((after & merged) != 0) return count(after) == 0;
  if (!mine) return false;
  state_guard held(s);
  return merge(s, merged - merging);
}

/// On the home's thread, under the lock, when other threads have counted too.
bool release_mixed(state& s) noexcept {
  const std::int32_t shared = s.shared_refs.load(std::memory_order_relaxed);
  if ((shared & merged) != 0)
    return count(s.shared_refs.fetch_sub(one, std::memory_order_acq_rel) - one) == 0;
  if (--s.local_refs != 0) return false;
  if ((s.shared_refs.load(std::memory_order_acquire) & merging) != 0) return false; // it will see
  return merge(s, merged);
}

} // namespace

void retain(state& s) noexcept {
  if (s.home && s.home == this_hub) {
    state_guard held(s);
    if ((s.shared_refs.load(std::memory_order_relaxed) & merged) == 0) {
      ++s.local_refs;
      return;
    }
  }
  s.shared_refs.fetch_add(one, std::memory_order_relaxed);
}

namespace {

/// Out of line, so that the common case saves no registers for what it does not call.
[[gnu::noinline]] void release_slowly(state& s, hub* h) noexcept {
  if (s.home && s.home == h) {
    h->state_lock().lock_as_owner();
    // Zero: no other thread has a handle, so none can appear.
    const bool last =
        s.shared_refs.load(std::memory_order_relaxed) == 0 ? --s.local_refs == 0 : release_mixed(s);
    h->state_lock().unlock_as_owner();
    if (last) destroy_at_home(s, *h);
  } else if (release_shared(s)) {
    destroy(s);
  }
}

} // namespace

void release(state& s) noexcept {
  hub* const h = this_hub;
  if (!h || s.home != h || !h->state_lock().try_lock_as_owner()) [[unlikely]]
    return release_slowly(s, h);
  // Zero: no other thread has a handle, so none can appear.
  const bool alone = s.shared_refs.load(std::memory_order_relaxed) == 0;
  const bool last = alone && --s.local_refs == 0;
  h->state_lock().unlock_as_owner_quickly();
  if (last) return destroy_at_home(s, *h);
  if (!alone) [[unlikely]]
    release_slowly(s, h);
}

void destroy(state& s) noexcept {
  switch (s.outcome.load(std::memory_order_acquire)) {
  case outcome_kind::value:
    if (s.type->drop_result) s.type->drop_result(s);
    break;
  case outcome_kind::error:
    if (!s.has(outcome_seen)) report_error(describe(s).c_str(), s.error());
    std::destroy_at(&s.error());
    break;
  case outcome_kind::forwarded:
    release(*s.forwarded_to());
    break;
  case outcome_kind::pending:
  case outcome_kind::cancelled:
    break;
  }
  if (s.has(has_callable)) drop_callable(s);
  delete s.extras;
  if (s.home)
    s.home->free_block(s);
  else if (s.type->run)
    delete &homeless(s);
  else
    delete &s;
}

fiber_extras& extras_of(state& s) {
  if (!s.extras) s.extras = new fiber_extras;
  return *s.extras;
}

} // namespace weft::detail
