// SPDX-License-Identifier: BSL-1.0
#include "runtime/sync/wait_list.hpp"

#include "runtime/sched/deliverable.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/thread_wait.hpp"

namespace weft::detail {

waiter::waiter() : waiter(this_hub, this_hub ? &this_hub->running_or_throw() : nullptr) {}

void waiter::wake(inbox_item& item) noexcept {
  resume_at_home(static_cast<waiter&>(item));
}

waiter* wait_list::take(std::size_t most) noexcept {
  waiter* const all = first();
  if (!all || most == 0) return nullptr;
  waiter* last = all;
  last->prev = nullptr;
  for (; --most != 0 && last->next; last = last->next)
    last->next->prev = nullptr;
  first_ = last->next;
  (first_ ? first_->prev : last_) = nullptr;
  last->next = nullptr;
  return all;
}

waiter* wait_list::take_all() noexcept {
  waiter* all = first();
  first_ = last_ = nullptr;
  for (waiter* w = all; w; w = w->next)
    w->prev = nullptr;
  return all;
}

// Waiting ----------------------------------------------------------------

namespace {

wake park_in(waiter& w, core::nanoseconds until, blocking_call call, const state* waited_for,
             bool interruptible) {
  w.parked = true;
  const wake how = w.home->park(until, call, waited_for, interruptible);
  w.parked = false;
  return how;
}

/// Out of the list, with the lock held again; or it was taken, and waits until it is woken.
waited leave(std::unique_lock<sync_lock>& held, wait_list& list, waiter& w, waited how,
             blocking_call call) {
  held.lock();
  if (list.remove(w)) return how;
  held.unlock();
  wait_until_woken(w, call);
  return waited::woken;
}

} // namespace

void wait_until_woken(waiter& w, blocking_call call) {
  if (!w.home) {
    wait_on_thread(w.fired, core::never);
    return;
  }
  while (!w.fired.load(std::memory_order_relaxed))
    park_in(w, core::never, call, nullptr, false);
}

waited wait_in(std::unique_lock<sync_lock>& held, wait_list& list, waiter& w, std::int64_t until,
               blocking_call call, bool interruptible, const state* waited_for) {
  if (w.home && interruptible && w.fiber->has(interrupt_requested) && may_throw_here()) {
    list.remove(w);
    return waited::interrupted;
  }
  if (until == 0) {
    list.remove(w);
    return waited::timed_out;
  }
  held.unlock();
  if (!w.home) {
    if (wait_on_thread(w.fired, until)) return waited::woken;
    return leave(held, list, w, waited::timed_out, call);
  }
  const wake result = park_in(w, until, call, waited_for, interruptible);
  if (result == wake::woken) return waited::woken;
  return leave(held, list, w, result == wake::timed_out ? waited::timed_out : waited::interrupted,
               call);
}

bool finish_wait(std::unique_lock<sync_lock>& held, waited how) {
  held.unlock();
  if (how == waited::interrupted) this_hub->throw_interrupt();
  return false;
}

void resume(waiter& w) noexcept {
  if (!w.home)
    wake_thread(w.fired);
  else if (w.home == this_hub || !w.home->post(w))
    resume_at_home(w);
}

void resume_all(waiter* chain) noexcept {
  while (chain) {
    waiter& w = *chain;
    chain = w.next;
    w.next = nullptr;
    resume(w);
  }
}

} // namespace weft::detail
