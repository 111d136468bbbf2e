// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/configuration.hpp"
#include "patch/kernel/cpu_timers.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/signal_detail.hpp"

namespace weft::patch {
namespace {

/// What is let in whoever blocks it: faults, timers, the monitor's way to a worker, and what asks
/// for a dump. With one thread calls are the kernel's, and so is all else that is blocked.
std::uint64_t without_ours(std::uint64_t mask) noexcept {
  const machine& m = the_machine();
  const int dump = the_configuration().dump_signal;
  if (dump) mask &= ~signal_bit(dump);
  const std::uint64_t ours = access_faults | m.signals.timed | signal_bit(SIGURG);
  return m.now == phase::active ? mask & ~ours : mask;
}

} // namespace

void signal_state::add(green& g) noexcept {
  if (g.tid == the_machine().main_tid) blocked_by_main = g.blocked;
  blocked.add(g.blocked);
}

void signal_state::remove(green& g) noexcept {
  blocked.subtract(g.blocked);
  worker& w = *self()->on;
  if (worker_mask() != w.kernel_mask) apply_worker_mask(w);
}

std::uint64_t signal_state::worker_mask() const noexcept {
  return without_ours(blocked.equal_to(the_machine().count) | awaited.any());
}

void signal_state::reset_after_fork(green& g) noexcept {
  blocked = awaited = signal_counts{};
  add(g);
  blocked_by_main = g.blocked;
  forget_timers();
  forget_cpu_timers();
  waiter_descriptor = -1;
  g.on->kernel_mask = g.blocked;
}

namespace {

/// What all workers block is not what it was: the others that run threads, or poll, are to follow.
/// To let more in is urgent where a thread computes, as what is sent to the process may find no
/// other taker. One that waits in the kernel is left alone: some calls that are disturbed do not go
/// on, and until it comes back another runs, or waits for events, that knows.
void tell_other_workers(const worker& w, std::uint64_t now) noexcept {
  for (processor& p : the_machine().processors) {
    worker* other = p.holder.load(std::memory_order_relaxed);
    if (!other || other == &w || other->kernel_mask == now) continue;
    other->attention = true;
    if ((other->kernel_mask & ~now) &&
        other->state.load(std::memory_order_relaxed) != worker_state::in_native)
      send_errand(*other, errand::attend);
  }
  const worker* poller = the_machine().processors.poller;
  if (poller && poller != &w && poller->kernel_mask != now) the_machine().reactor.interrupt();
}

/// In the books only; returns what the kernel should block now.
std::uint64_t note_blocked(green& g, std::uint64_t mask) noexcept {
  signal_state& s = the_machine().signals;
  s.blocked.add(mask & ~g.blocked);
  s.blocked.subtract(g.blocked & ~mask);
  g.blocked = mask;
  if (g.tid == the_machine().main_tid) s.blocked_by_main = mask;
  return s.worker_mask();
}

} // namespace

void set_blocked(green& g, std::uint64_t mask) noexcept {
  if (the_machine().processors.several()) guard_signals(mask);
  const std::uint64_t wanted = note_blocked(g, mask & ~unblockable);
  if (wanted != g.on->kernel_mask) apply_worker_mask(*g.on);
}

void block_all_briefly(green& g) noexcept {
  const std::uint64_t wanted = note_blocked(g, every_signal & ~unblockable);
  if (g.on->kernel_mask & ~wanted) apply_worker_mask(*g.on);
}

void apply_worker_mask(worker& w) noexcept {
  const std::uint64_t now = the_machine().signals.worker_mask();
  if (the_machine().processors.several()) tell_other_workers(w, now);
  w.kernel_mask = now;
  // While a signal waits to be routed all others are held back.
  if (!w.signal_arrived && !w.kernel_blocks_all) set_kernel_mask(w.kernel_mask);
}

bool hold_back_broken_pipe(green& g) noexcept {
  if (g.on->kernel_mask & signal_bit(SIGPIPE)) return false;
  set_kernel_mask(g.on->kernel_mask | signal_bit(SIGPIPE));
  return true;
}

void take_broken_pipe(green& g) noexcept {
  const std::uint64_t pipe = signal_bit(SIGPIPE);
  const timespec none{0, 0};
  siginfo_t info;
  if (raw_syscall(SYS_rt_sigtimedwait, &pipe, &info, &none, 8) == SIGPIPE) send_signal(g, info);
}

void let_broken_pipe_through(green& g) noexcept {
  if (!g.on->signal_arrived) set_kernel_mask(g.on->kernel_mask);
}

} // namespace weft::patch
