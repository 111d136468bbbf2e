// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/monitor.hpp"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "patch/kernel/configuration.hpp"
#include "patch/kernel/glance.hpp"
#include "patch/kernel/kernel_thread.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler_detail.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/usable_processors.hpp"
#include "patch/kernel/worker.hpp"

namespace weft::patch {
namespace {

constexpr core::nanoseconds tick = 2'500'000;
constexpr core::nanoseconds share = 5'000'000; // of a thread's, while others wait
constexpr unsigned quiet_ticks = 40;           // before it sleeps while nothing happens
constexpr core::nanoseconds short_life = 5'000'000;
constexpr core::nanoseconds forever = core::never;
constexpr std::size_t stack_size = 32 * 1024;

/// Whether events wait to be harvested, and somebody for them.
bool events_wait(machine& m) noexcept {
  if (!glance::awaits_events(m)) return false;
  pollfd epoll{glance::epoll_descriptor(m), POLLIN, 0};
  return epoll.fd >= 0 && raw_syscall(SYS_poll, &epoll, 1, 0) > 0;
}

/// Whether somebody could make use of p, were it not for who holds it.
bool somebody_waits(machine& m, const processor& p) noexcept {
  return !glance::is_queue_empty(p) || m.returned.load(std::memory_order_relaxed) ||
         (m.processors.several() && glance::is_anything_ready(m)) ||
         glance::next_due(m) <= core::monotonic_now() || glance::are_transfers_queued(m) ||
         events_wait(m);
}

/// Takes the processor from w, which is in a call of the kernel's, if it still is.
void hand_over(worker& w) noexcept {
  worker* other = find_worker();
  if (!other) return;
  auto expected = worker_state::in_native;
  if (w.state.compare_exchange_strong(expected, worker_state::without)) {
    // Perhaps another one than it was found with, if that was some time ago.
    ++w.holds->stats.hand_overs;
    give_processor(*w.holds, *other);
  } else {
    return_spare(*other);
  }
}

void preempt(processor& p, worker& w) noexcept {
  ++p.stats.preemptions;
  w.preempt = true;
  send_errand(w, errand::preempt);
}

/// One processor, as it was seen at the last look.
struct sight {
  worker* holder = nullptr;
  std::uint32_t native_calls = 0;
  std::uint64_t switches = 0;
  core::nanoseconds kept_since = 0; // by the same thread
};

/// What all of them together give cause for.
struct outlook {
  bool busy = false;    // to look again after a tick
  bool lonely = false;  // some thread computes, and nobody minds
  bool held_up = false; // somebody waits for one that computes, or for nobody
  bool moved = false;
};

void look_after(machine& m, processor& p, sight& last, core::nanoseconds time,
                outlook& all) noexcept {
  worker* holder = p.holder.load(std::memory_order_acquire);
  if (!holder) {
    all.held_up = all.held_up || !glance::is_queue_empty(p);
    return;
  }
  const std::uint32_t calls = holder->native_calls.load(std::memory_order_relaxed);
  const std::uint64_t switches = p.stats.switches.load(std::memory_order_relaxed);
  const bool moved = switches != last.switches || holder != last.holder;
  const bool same_call = !moved && calls == last.native_calls;
  last = {holder, calls, switches, moved ? time : last.kept_since};
  all.moved = all.moved || moved;
  if (!m.processors.several() && m.polling.load(std::memory_order_relaxed)) {
    all.busy = all.busy || moved;
    return;
  }
  if (holder->state.load(std::memory_order_acquire) == worker_state::in_native) {
    all.busy = true;
    if (same_call && somebody_waits(m, p)) hand_over(*holder);
    return;
  }
  if (!moved && !somebody_waits(m, p)) {
    all.lonely = true;
    return;
  }
  all.busy = true;
  all.held_up = all.held_up || (!moved && !glance::is_queue_empty(p));
  if (time - last.kept_since >= share && the_configuration().preempt) {
    last.kept_since = time;
    preempt(p, *holder);
  }
}

constinit sight sights[processor_set::most];

} // namespace

/// The affinity mask and the quota may become smaller while the program runs.
void monitor::look_at_limits(core::nanoseconds time) noexcept {
  constexpr core::nanoseconds now_and_then = 1'000'000'000;
  if (time - limits_seen_ < now_and_then) return;
  limits_seen_ = time;
  machine& m = the_machine();
  if (!the_configuration().workers) m.processors.limit(usable_processors(m.initial->tid));
}

/// Sees to it that idle processors get what others leave undone.
void monitor::spread(bool held_up, bool moved) noexcept {
  machine& m = the_machine();
  if (worker_wanted_.exchange(false) && !make_helper()) {
    note_helper();
    m.processors.help_is_coming = false;
  }
  if (glance::idle(m) == 0 || m.processors.help_is_coming) return;
  const auto events_are_left = [&] {
    return !moved && !glance::is_there_a_poller(m) &&
           (glance::next_due(m) <= core::monotonic_now() || events_wait(m));
  };
  if (!held_up && glance::is_shared_queue_empty(m) && !events_are_left()) return;
  // Never waited for: who has it may wait for the monitor's end.
  if (!m.lock.try_acquire()) return;
  if (m.processors.idle() != 0 && !m.processors.help_is_coming && !m.alone) call_help();
  m.lock.release();
}

void monitor::watch() noexcept {
  machine& m = the_machine();
  for (sight& s : sights)
    s = sight{};
  unsigned quiet = 0;
  while (!may_end()) {
    const core::nanoseconds time = core::monotonic_now();
    outlook now;
    sight* last = sights;
    for (processor& p : m.processors)
      look_after(m, p, *last++, time, now);
    if (m.processors.several()) {
      look_at_limits(time);
      spread(now.held_up, now.moved);
    }
    core::nanoseconds span = tick;
    if (now.busy) {
      quiet = 0;
    } else if (now.lonely && ++quiet > 1) {
      // Until a timer is due, or perhaps events come.
      span = forever;
      if (const core::nanoseconds due = glance::next_due(m); due != core::never)
        span = due > time + tick ? due - time : tick;
      if (glance::awaits_events(m) && span > share) span = share;
    } else if (!now.lonely && ++quiet > quiet_ticks) {
      span = forever;
    }
    if (span == tick) {
      sleep(tick);
      continue;
    }
    // From here on whoever makes something happen says so. What happened just before, and is only
    // on its way through the caches, shows after a tick.
    if (!asleep_) {
      asleep_ = 1;
      sleep(tick);
    } else {
      sleep(span);
      asleep_ = 0;
      quiet = 0;
    }
  }
}

/// Whether it is to end now, and if so sees to it that it is not called back any more.
bool monitor::may_end() noexcept {
  mode found = mode_.load(std::memory_order_acquire);
  if (found == mode::lingering && core::monotonic_now() - started_at_ > short_life)
    mode_.compare_exchange_strong(found, mode::ended);
  return mode_.load(std::memory_order_acquire) == mode::ended;
}

void monitor::run(void* self) noexcept {
  static_cast<monitor*>(self)->watch();
  end_kernel_thread();
}

void monitor::start() noexcept {
  mode found = mode::lingering;
  if (mode_.compare_exchange_strong(found, mode::watching) || found == mode::watching) return;
  wait_for_end(&alive_);
  if (!furnish_helper(stack_size, stack_top_, thread_pointer_)) return;
  asleep_ = 0;
  limits_seen_ = started_at_ = core::monotonic_now();
  mode_ = mode::watching;
  take_over_errands();
  if (is_error(start_kernel_thread(stack_top_, thread_pointer_, run, this, &alive_)))
    mode_ = mode::ended;
}

void monitor::retire() noexcept {
  if (mode_ == mode::ended) return;
  if (core::monotonic_now() - started_at_ > short_life) return stop();
  mode_ = mode::lingering;
  if (asleep_) wake();
}

void monitor::stop() noexcept {
  mode_ = mode::ended;
  wake();
  wait_for_end(&alive_);
}

void monitor::make_worker() noexcept {
  if (!is_running()) {
    the_machine().processors.help_is_coming = false;
    return;
  }
  if (!worker_wanted_.exchange(true)) ++helpers_to_come_;
  wake();
}

void monitor::reset_after_fork() noexcept {
  worker_wanted_ = false;
  helpers_to_come_ = 0;
  mode_ = mode::ended;
  alive_ = 0;
  asleep_ = 0;
}

/// Until woken, or `span` has passed.
void monitor::sleep(core::nanoseconds span) noexcept {
  const std::uint32_t before = word_.load(std::memory_order_acquire);
  if (mode_ == mode::ended) return;
  if (span != tick && !asleep_) return; // woken before it slept
  const timespec time{span / 1'000'000'000, span % 1'000'000'000};
  raw_syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, before, span == forever ? nullptr : &time);
}

void monitor::wake() noexcept {
  asleep_ = 0;
  ++word_;
  raw_syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1);
}

} // namespace weft::patch
