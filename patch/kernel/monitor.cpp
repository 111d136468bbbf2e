// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/monitor.hpp"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "patch/kernel/configuration.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/worker.hpp"

namespace weft::patch {
namespace {

constexpr core::nanoseconds tick = 2'500'000;
constexpr core::nanoseconds share = 10'000'000; // of a thread's, while others wait
constexpr unsigned quiet_ticks = 40;            // before it sleeps while nothing happens
constexpr core::nanoseconds short_life = 5'000'000;
constexpr core::nanoseconds forever = core::never;
constexpr std::size_t stack_size = 32 * 1024;

/// What was seen at the last look.
struct sight {
  worker* holder = nullptr;
  std::uint32_t native_calls = 0;
  std::uint64_t turns = 0;
};

sight look_at(processor& p) noexcept {
  sight s;
  s.holder = p.holder.load(std::memory_order_acquire);
  s.native_calls = s.holder->native_calls.load(std::memory_order_relaxed);
  s.turns = p.turns.load(std::memory_order_relaxed);
  return s;
}

/// Whether events wait to be harvested, and somebody for them. What is read here belongs to who
/// holds the processor; a stale answer is as good as one a moment ago.
bool events_wait(machine& m) noexcept {
  if (!awaits_events(m)) return false;
  pollfd epoll{m.reactor.epoll_descriptor(), POLLIN, 0};
  return epoll.fd >= 0 && raw_syscall(SYS_poll, &epoll, 1, 0) > 0;
}

/// Whether somebody could make use of the processor.
bool somebody_waits(machine& m) noexcept {
  return !m.processor.ready.empty() || m.processor.returned.load(std::memory_order_relaxed) ||
         m.timers.next_due() <= core::monotonic_now() || events_wait(m);
}

/// Takes the processor from w, which is in a call of the kernel's, if it still is.
void hand_over(processor& p, worker& w) noexcept {
  worker* other = find_worker();
  if (!other) return;
  auto expected = worker_state::in_native;
  if (w.state.compare_exchange_strong(expected, worker_state::without)) {
    ++the_machine().stats.hand_overs;
    give_processor(p, *other);
  } else {
    return_spare(*other);
  }
}

} // namespace

void monitor::watch() noexcept {
  machine& m = the_machine();
  processor& p = m.processor;
  sight last;
  unsigned quiet = 0;
  core::nanoseconds kept_since = 0;
  while (!may_end()) {
    const sight now = look_at(p);
    const core::nanoseconds time = core::monotonic_now();
    const bool moved = now.turns != last.turns || now.holder != last.holder;
    const bool same_call = !moved && now.native_calls == last.native_calls;
    if (moved) kept_since = time;
    last = now;
    core::nanoseconds span = tick;
    if (p.polling.load(std::memory_order_relaxed)) {
      quiet = moved ? 0 : quiet + 1;
      if (quiet > quiet_ticks) span = forever;
    } else if (now.holder->state.load(std::memory_order_acquire) == worker_state::in_native) {
      quiet = 0;
      if (same_call && somebody_waits(m)) hand_over(p, *now.holder);
    } else if (moved || somebody_waits(m)) {
      quiet = 0;
      if (time - kept_since >= share && the_configuration().preempt) {
        kept_since = time;
        ++m.stats.preemptions;
        now.holder->preempt = true;
        send_errand(*now.holder, errand::preempt);
      }
    } else if (++quiet > 1) {
      // It computes, and nobody minds: until a timer is due, or perhaps events come.
      span = forever;
      if (const core::nanoseconds due = m.timers.next_due(); due != core::never)
        span = due > time + tick ? due - time : tick;
      if (m.reactor.has_waiters() && span > share) span = share;
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
  started_at_ = core::monotonic_now();
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

void monitor::reset_after_fork() noexcept {
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
