// SPDX-License-Identifier: BSL-1.0
//
// What a worker does when it runs no thread.
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/scheduler_detail.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/spin_lock.hpp"
#include "patch/kernel/wait.hpp"
#include "patch/kernel/worker_credentials.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

/// Takes back what came from the kernel, in the order in which it came.
void take_returned(machine& m) noexcept {
  if (!m.returned.load(std::memory_order_relaxed)) return;
  green* g = m.returned.exchange(nullptr, std::memory_order_acquire);
  green* in_order = nullptr;
  while (g) {
    green* next = g->next_returned;
    g->next_returned = in_order;
    in_order = g;
    g = next;
  }
  while (in_order) {
    green* next = in_order->next_returned;
    m.processors[0].ready.push_back(*in_order);
    in_order = next;
  }
}

/// Makes ready whose time has come, and who came back.
void gather(machine& m) noexcept {
  take_returned(m);
  if (m.timers.empty()) return;
  core::list<core::timer, core::timer_tag> due;
  m.timers.advance(core::monotonic_now(), due);
  while (!due.empty())
    unpark(static_cast<green&>(due.pop_front()), wakeup::timeout);
}

/// Waits for events until then, without the lock, and makes ready whom they wake.
void wait_for_events(machine& m, core::nanoseconds until) noexcept {
  if (const int failed = m.reactor.prepare_interrupt(); failed < 0) {
    // No descriptor is left to poll with.
    if (until == 0) return;
    m.lock.release();
    const timespec pause{0, shortage_pause};
    raw_syscall(SYS_nanosleep, &pause, nullptr);
    return m.lock.acquire();
  }
  if (m.transfers.is_due()) until = 0;
  ++(until == 0 ? m.stats.polls : m.stats.waits);
  core::reactor::batch found;
  // One worker takes no more than it runs until it looks again: of those that are ready the kernel
  // has just touched the sockets, and weft the records, and both are still in the caches.
  constexpr int most = turns_between_polls;
  const int wanted = m.processors.several() ? found.most : most;
  m.lock.release();
  m.reactor.wait(found, until, wanted);
  m.lock.acquire();
  m.reactor.harvest(found);
  m.futex_ring.harvest();
  // Meant for another.
  if (found.interrupted && m.processors.poller && m.processors.poller != self()->on)
    m.reactor.interrupt();
}

/// Where one worker runs at a time: looks for events, or waits for some if nothing else is to do.
/// Another row of turns begins.
void poll_alone(machine& m) noexcept {
  processor& p = m.processors[0];
  p.budget = turns_between_polls;
  core::nanoseconds until = 0;
  if (p.ready.empty()) {
    until = m.timers.next_due();
    // Whoever comes back from now on interrupts the wait.
    m.polling = true;
    if (m.returned || m.transfers.is_due()) until = 0;
  } else if (!awaits_events(m) && !m.clocks.look_is_due()) {
    return; // a timer is due, perhaps, and that needs no system call
  }
  wait_for_events(m, until);
  m.polling.store(false, std::memory_order_relaxed);
}

/// Where several do: looks for events if no other does.
void poll_beside_others(machine& m, processor& p) noexcept {
  if (p.budget > 0 || (p.ready.empty() && m.processors.shared.empty())) return;
  p.budget = turns_between_polls;
  if (m.processors.poller) return;
  if (awaits_events(m) || m.clocks.look_is_due()) wait_for_events(m, 0);
}

/// Who is to run next, if it is not w: a thread of its own kernel thread, or the initial one, which
/// was only stood in for or is to be the only one. Null: w itself. (Null too if there is no other
/// worker.)
worker* proper_worker(machine& m, worker& w) noexcept {
  processor& p = *w.holds;
  if (!p.ready.empty() && p.ready.front().bound) {
    worker& own = *p.ready.front().bound;
    return &own == &w ? nullptr : &own;
  }
  const bool home_first = !m.processors.several() || m.home_is_wanted;
  if (&w == m.home) return nullptr;
  if (home_first && take_spare(*m.home)) return m.home;
  if (!w.bound) return nullptr;
  // One's own kernel thread runs nobody else, and no other is made from it. But the one that gave
  // the processor here is about to sleep, if it does not yet.
  for (;;) {
    if (worker* spare = take_any_spare()) return spare;
    if (m.processors.several()) return nullptr;
    let_holder_run();
  }
}

/// Gives w's processor, the caller's, to `other`.
void pass_processor(worker& w, worker& other) noexcept {
  set_kernel_mask(every_signal);
  w.kernel_blocks_all = true; // until it has one again
  route_arrived_signal(w);
  processor& p = *w.holds;
  w.holds = nullptr;
  w.state.store(worker_state::without, std::memory_order_relaxed);
  give_processor(p, other);
}

/// A thread that has had its share is the next if it has waited for longer than who waits here.
void take_shared(processor_set& all, processor& p) noexcept {
  if (all.shared.empty()) return;
  if (p.ready.empty() || all.shared.front().ready_as < p.ready.front().ready_as)
    p.ready.push_front(all.shared.pop());
}

/// Whether an idle worker is to wait for events: nobody does, and nobody runs who will look soon.
bool is_poller_needed(machine& m) noexcept {
  if (m.processors.poller || m.alone) return false;
  for (const processor& p : m.processors) {
    const worker* w = p.holder.load(std::memory_order_relaxed);
    if (w && w->state.load(std::memory_order_relaxed) == worker_state::running && !computes(*w))
      return false;
  }
  return true;
}

/// Leaves w's processor idle, and waits for events, if somebody has to, until there is something to
/// do. If w has no processor then, it is not needed.
void rest(machine& m, worker& w) noexcept {
  if (w.helps) came_for_nothing(w);
  m.processors.vacate(w);
  w.state.store(worker_state::without, std::memory_order_relaxed);
  if (w.bound) { // neither others' threads nor others' events are for it
    if (m.processors.is_anything_ready() || is_poller_needed(m)) call_help();
    return;
  }
  while (is_poller_needed(m) && !w.retired) {
    follow_credentials(w);
    if (w.kernel_blocks_all || m.signals.worker_mask() != w.kernel_mask) {
      w.kernel_blocks_all = false; // whoever sleeps hears of no signal
      apply_worker_mask(w);
      show_pending_to_descriptors();
    }
    m.processors.poller = &w;
    m.processors.polls_until = m.timers.next_due();
    m.polling = true;
    wait_for_events(m, m.processors.polls_until);
    m.polling = false;
    m.processors.poller = nullptr;
    m.processors.help_is_coming = false;
    follow_credentials(w);
    route_arrived_signal(w);
    gather(m);
    if (m.transfers.is_due()) m.transfers.make();
    processor* p = m.processors.is_anything_ready() ? m.processors.find_idle() : nullptr;
    if (!p && w.helps) came_for_nothing(w);
    if (!m.processors.is_anything_ready()) continue;
    if (!p) return; // all are at work, and will come to it
    m.processors.occupy(*p, w);
    w.state.store(worker_state::running, std::memory_order_relaxed);
    apply_worker_mask(w);
    return;
  }
}

} // namespace

namespace {

/// Has `own`, whose thread is the next in p's queue, run that on a processor that is idle.
bool give_idle(machine& m, processor& p, worker& own) noexcept {
  processor* idle = m.processors.several() ? m.processors.find_idle() : nullptr;
  if (!idle || p.ready.empty() || p.ready.front().bound != &own) return false;
  idle->ready.push_front(p.ready.pop());
  m.processors.occupy(*idle, own);
  give_processor(*idle, own);
  return true;
}

/// Whether w, which holds p, has something to do. Where a thread's own kernel thread is not to take
/// from others what it would have to pass on.
bool has_work(worker& w, processor& p) noexcept {
  return !p.ready.empty() || (!w.bound && steal(p));
}

} // namespace

bool are_others_asleep() noexcept {
  machine& m = the_machine();
  if (!m.processors.several()) return true;
  if (m.processors.poller) m.reactor.interrupt();
  return !m.processors.poller && !m.processors.help_is_coming && !m.monitor.is_helper_to_come() &&
         m.processors.held() == 1;
}

void work(worker& w) noexcept {
  machine& m = the_machine();
  for (;;) {
    if (w.state.load(std::memory_order_relaxed) == worker_state::without) {
      wait_for_processor(w);
      m.processors.help_is_coming = false;
    }
    route_arrived_signal(w);
    if (w.attention.load(std::memory_order_relaxed)) attend(w);
    gather(m);
    processor& p = *w.holds;
    const bool several = m.processors.several();
    const bool looked = p.budget == 0;
    if (several)
      poll_beside_others(m, p);
    else if (p.ready.empty() || (p.budget == 0 && events_may_come(m)))
      poll_alone(m); // (a thread that ends is seen off here, though there are turns left)
    if (m.transfers.is_due()) {
      m.transfers.make();
      if (p.ready.empty()) continue; // there may be more
    }
    route_arrived_signal(w);
    gather(m);
    if (m.processors.exceed_limit() && !w.bound) {
      while (!p.ready.empty())
        m.processors.shared.push_back(p.ready.pop());
      rest(m, w);
      continue;
    }
    take_shared(m.processors, p);
    if (several && (!has_work(w, p) || (looked && !w.bound && leave_to_another(p)))) {
      rest(m, w);
      continue;
    }
    w.helps = false;
    if (worker* other = proper_worker(m, w)) {
      if (other->holds) // it looks for events, or is on its way
        other->holds->ready.push_front(p.ready.pop());
      else if (!give_idle(m, p, *other))
        pass_processor(w, *other);
      continue;
    }
    if (several && w.bound && p.ready.front().bound != &w) { // what is ready is others' to take
      rest(m, w);
      continue;
    }
    if (p.ready.empty()) continue;
    // One that stands in for another, or is one thread's own, gives way after each turn.
    if (several ? w.bound != nullptr : &w != m.home) p.budget = 0;
    // Whoever else sleeps may have as much to do.
    if (several && p.ready.length() > 1) consider_help(p);
    m.monitor.look();
    run(w, p.ready.pop());
  }
}

} // namespace weft::patch
