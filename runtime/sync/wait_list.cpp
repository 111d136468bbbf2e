// SPDX-License-Identifier: BSL-1.0
#include "runtime/sync/wait_list.hpp"

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

waited leave(std::unique_lock<sync_lock>& held, wait_list& list, waiter& w, waited how,
             blocking_call call) {
  held.lock();
  if (list.remove(w)) return how;
  held.unlock();
  wait_until_woken(w, call);
  return waited::woken;
}

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
  return wait_in_place(held, list, w, until, call, interruptible, waited_for);
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
