// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler_detail.hpp"

namespace weft::patch {
namespace {

/// What a thread runs at a time, in cycles of the time-stamp counter (some 20 us), from which on it
/// is worth while to wake another kernel thread, which may take as long, rather than wait for it.
constexpr std::uint64_t long_turn = 50'000;

/// Threads that wait in one queue from which on two had better run, whatever they do.
constexpr unsigned long_queue = 4;

bool runs_threads(const processor& p) noexcept {
  const worker* w = p.holder.load(std::memory_order_relaxed);
  return w && w->state.load(std::memory_order_relaxed) == worker_state::running;
}

/// Cycles from then to now. The counters of two processors of a machine may differ a little.
std::uint64_t cycles(std::uint64_t then, std::uint64_t now) noexcept {
  const auto passed = static_cast<std::int64_t>(now - then);
  return passed > 0 ? static_cast<std::uint64_t>(passed) : 0;
}

} // namespace

processor& queue_for(green& g) noexcept {
  machine& m = the_machine();
  processor* own = self()->on->holds;
  if (own && g.urgent) return *own; // who runs on its last one may do so for long
  if (g.last && runs_threads(*g.last)) return *g.last;
  if (own) return *own;
  return g.last ? *g.last : m.processors[0];
}

void note_turn(green& from, green& to, processor* p) noexcept {
  const std::uint64_t now = __builtin_ia32_rdtsc();
  from.turn = (3 * from.turn + cycles(from.turn_begun, now)) / 4;
  to.turn_begun = now;
  if (to.last == p) return;
  if (to.last && &to != &from.on->idle) ++p->stats.migrations;
  to.last = p;
}

bool computes(const worker& w) noexcept {
  const green& g = *w.current;
  return g.turn > long_turn || cycles(g.turn_begun, __builtin_ia32_rdtsc()) > long_turn;
}

void consider_help(processor& p) noexcept {
  const processor_set& all = the_machine().processors;
  if (all.idle() == 0 || all.help_is_coming || the_machine().alone) return;
  const worker* w = p.holder.load(std::memory_order_relaxed);
  if (!w && !self()->on->holds) return; // it is the poller itself who put it there
  if (p.ready.length() >= long_queue || !all.shared.empty() || !w || computes(*w)) call_help();
}

void call_help() noexcept {
  machine& m = the_machine();
  if (m.processors.idle() == 0) return;
  m.processors.help_is_coming = true;
  ++m.stats.helps;
  if (m.processors.poller) {
    m.processors.poller->helps = true;
    return m.reactor.interrupt();
  }
  worker* spare = take_any_spare();
  if (!spare) return m.monitor.make_worker();
  spare->helps = true;
  processor& p = *m.processors.find_idle();
  m.processors.occupy(p, *spare);
  give_processor(p, *spare);
}

void came_for_nothing(worker& w) noexcept {
  w.helps = false;
  ++the_machine().stats.helps_in_vain;
}

namespace {

/// Whether the next thread of p may be run elsewhere: its own kernel thread is not on its way.
bool may_be_stolen(processor& p) noexcept {
  if (p.ready.empty()) return false;
  const worker* own = p.ready.front().bound;
  return !own || !own->holds;
}

/// Whether what is ready for p would have to wait there.
bool is_behind(processor& p) noexcept {
  const worker* w = p.holder.load(std::memory_order_relaxed);
  return p.ready.length() >= long_queue || !w ||
         w->state.load(std::memory_order_relaxed) != worker_state::running || computes(*w);
}

} // namespace

bool steal(processor& p) noexcept {
  machine& m = the_machine();
  processor* victim = nullptr;
  for (processor& other : m.processors)
    if (may_be_stolen(other) && is_behind(other) &&
        (!victim || other.ready.length() > victim->ready.length()))
      victim = &other;
  if (!victim) return false;
  for (unsigned n = (victim->ready.length() + 1) / 2; n > 0 && may_be_stolen(*victim); --n) {
    p.ready.push_back(victim->ready.pop());
    ++p.stats.steals;
  }
  return true;
}

} // namespace weft::patch
