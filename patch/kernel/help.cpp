// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler_detail.hpp"

namespace weft::patch {
namespace {

/// What a thread has to wait, in cycles of the time-stamp counter (some 20 us), from which on it is
/// worth while to wake another kernel thread, which may take as long.
constexpr std::uint64_t long_wait = 50'000;

/// A turn (0.5 us) of which most is spent in weft, which one worker enters at a time: a second one
/// brings nothing.
constexpr std::uint64_t short_turn = 1000;
/// The same where each has to wait for the other.
constexpr std::uint64_t short_hindered_turn = 5000;

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
  const std::uint64_t turn = cycles(from.turn_begun, now);
  from.turn = (3 * from.turn + turn) / 4;
  if (p && &from != &from.on->idle) p->turn = (7 * p->turn + turn) / 8;
  to.turn_begun = now;
  if (to.last == p) return;
  if (to.last && &to != &from.on->idle) ++p->stats.migrations;
  to.last = p;
}

bool computes(const worker& w) noexcept {
  const green& g = *w.current;
  return g.turn > long_wait || cycles(g.turn_begun, __builtin_ia32_rdtsc()) > long_wait;
}

namespace {

/// Whether what is ready for p would have to wait there.
bool is_behind(const processor& p) noexcept {
  if (!runs_threads(p) || computes(*p.holder.load(std::memory_order_relaxed))) return true;
  return p.turn > short_turn && p.ready.length() * p.turn > long_wait;
}

} // namespace

void consider_help(processor& p) noexcept {
  const processor_set& all = the_machine().processors;
  if (all.idle() == 0 || all.help_is_coming || the_machine().alone) return;
  const worker* w = p.holder.load(std::memory_order_relaxed);
  if (!w && !self()->on->holds) return; // it is the poller itself who put it there
  if (!all.shared.empty() || is_behind(p)) call_help();
}

bool leave_to_another(processor& p) noexcept {
  machine& m = the_machine();
  const std::uint64_t waits = m.lock.waits() - p.lock_waits;
  p.lock_waits = m.lock.waits();
  if (waits < turns_between_polls || p.turn > short_hindered_turn || p.ready.empty()) return false;
  for (processor& other : m.processors) {
    if (&other == &p || !runs_threads(other) || is_behind(other)) continue;
    // Unhindered they take a third or less.
    const std::uint64_t turn = (p.turn > other.turn ? p.turn : other.turn) / 3;
    if (turn * (p.ready.length() + other.ready.length()) > long_wait) continue;
    while (!p.ready.empty())
      other.ready.push_back(p.ready.pop());
    p.turn = other.turn = turn;
    return true;
  }
  return false;
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
