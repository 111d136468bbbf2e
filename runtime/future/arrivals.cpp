// SPDX-License-Identifier: BSL-1.0
#include "runtime/future/arrivals.hpp"

#include <algorithm>
#include <mutex>

#include "runtime/future/wait.hpp"
#include "runtime/sched/hub.hpp"

namespace weft::detail {

arrivals::arrivals(std::vector<state*> states) : states_(std::move(states)) {
  arrived_.reserve(states_.size());
  note_those_done_before();
}

/// In the order in which they ended, as far as that is known: each hub counts its own, and those
/// without a home are counted together.
void arrivals::note_those_done_before() {
  std::vector<std::size_t> before;
  for (std::size_t i = 0; i < states_.size(); ++i)
    (states_[i]->done() ? before : waiting_).push_back(i);
  const bool one_home = std::all_of(before.begin(), before.end(), [&](std::size_t i) {
    return states_[i]->home == states_[before.front()]->home;
  });
  if (one_home)
    std::stable_sort(before.begin(), before.end(), [&](std::size_t a, std::size_t b) {
      return states_[a]->finished_as < states_[b]->finished_as;
    });
  for (const std::size_t index : before)
    note(index);
}

void arrivals::note(std::size_t index) noexcept {
  arrived_.push_back(index); // reserved
  if (states_[index]->outcome.load(std::memory_order_acquire) == outcome_kind::error)
    a_failure_ = true;
}

bool arrivals::has(const wanted& what) const noexcept {
  return arrived_.size() >= std::min(what.count, states_.size()) ||
         (what.or_a_failure && a_failure_);
}

void arrivals::refuse_own_fiber() const {
  const hub* const h = this_hub;
  if (!h) return;
  const state& self = h->running_or_throw();
  for (const std::size_t i : waiting_)
    detail::refuse_own_fiber(self, *states_[i]);
}

void arrivals::attach_to_the_rest() {
  if (places_) return;
  places_ = std::make_unique<place[]>(waiting_.size());
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    place& p = places_[i];
    p.owner = this;
    p.index = waiting_[i];
    p.deliver = &deliver; // wherever it comes to an end: there is a lock
    {
      const std::lock_guard held(lock_);
      p.pending = true;
      ++outstanding_;
    }
    if (!attach(*states_[p.index], p)) deliver(p);
  }
}

bool arrivals::wait(core::nanoseconds until, wanted what) {
  {
    const std::lock_guard held(lock_);
    if (has(what)) return true;
  }
  refuse_own_fiber();
  attach_to_the_rest();
  waiter self;
  self.payload = &what;
  std::unique_lock held(lock_);
  if (has(what)) return true;
  waiters_.push_back(self);
  const waited how = wait_in(held, waiters_, self, until, what.call);
  return how == waited::woken || finish_wait(held, how);
}

waiter* arrivals::take_satisfied() noexcept {
  waiter* chain = nullptr;
  for (waiter *w = waiters_.first(), *next; w; w = next) {
    next = w->next;
    if (!has(*static_cast<const wanted*>(w->payload))) continue;
    waiters_.remove(*w);
    w->next = chain;
    chain = w;
  }
  return chain;
}

void arrivals::deliver(inbox_item& item) noexcept {
  auto& p = static_cast<place&>(item);
  arrivals& a = *p.owner;
  std::unique_lock held(a.lock_);
  p.pending = false;
  --a.outstanding_;
  if (a.left_) {
    const bool last = a.outstanding_ == 0;
    held.unlock();
    if (last) delete &a;
    return;
  }
  a.note(p.index);
  waiter* const satisfied = a.take_satisfied();
  held.unlock();
  resume_all(satisfied);
}

/// Nothing is recorded any more. Who has already been taken out of a state's list to be delivered
/// keeps the object until then.
void arrivals::leave() noexcept {
  std::size_t detached = 0;
  for (std::size_t i = 0; places_ && i < waiting_.size(); ++i) {
    std::unique_lock held(lock_);
    if (outstanding_ == detached) break;
    const bool pending = places_[i].pending;
    held.unlock();
    if (pending && detach(places_[i])) ++detached;
  }
  std::unique_lock held(lock_);
  left_ = true;
  outstanding_ -= detached;
  const bool last = outstanding_ == 0;
  held.unlock();
  if (last) delete this;
}

std::vector<std::size_t> arrivals::arrived() {
  const std::lock_guard held(lock_);
  return arrived_;
}

std::size_t arrivals::arrived_at(std::size_t index) {
  const std::lock_guard held(lock_);
  return arrived_[index];
}

} // namespace weft::detail
