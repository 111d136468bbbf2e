// SPDX-License-Identifier: BSL-1.0
#include <errno.h>

#include "patch/kernel/cpu_timers.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/object_pool.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/thread.hpp"

namespace weft::patch {
namespace {

constinit object_pool<thread_timer> timers;

/// The last that were deleted. A signal of theirs may still be on its way, in a worker that waits
/// for the processor; it is nobody's any more, and least of all for whoever does not block it. The
/// kernel gives no number again before it has given all others.
struct deleted_timers {
  static constexpr unsigned room = 64;
  int ids[room] = {};
  unsigned next = 0;

  void add(int id) noexcept { ids[next++ % room] = id; }
  [[nodiscard]] bool has(int id) const noexcept {
    const unsigned count = next < room ? next : room;
    for (unsigned i = 0; i < count; ++i)
      if (ids[i] == id) return true;
    return false;
  }
};
constinit deleted_timers deleted;
constinit const thread_timer of_nobody{{}, -1, 0, -1};

/// A signal is in `timed` while there is a timer of it: then the kernel lets it in, and calls us.
void look_at_signal(green& g, int signal) noexcept {
  signal_state& s = the_machine().signals;
  std::uint64_t timed = s.timed & ~signal_bit(signal);
  s.timers.for_each([&](thread_timer& t) {
    if (t.signal == signal) timed |= signal_bit(signal);
  });
  if (timed == s.timed) return;
  s.timed = timed;
  const signal_state::action same = s.actions[signal];
  change_action(signal, &same, nullptr);
  if (s.worker_mask() != g.on->kernel_mask) apply_worker_mask(*g.on);
}

} // namespace

thread_timer* find_timer(int id) noexcept {
  thread_timer* found = nullptr;
  the_machine().signals.timers.for_each([&](thread_timer& t) {
    if (t.id == id) found = &t;
  });
  return found;
}

long keep_timer(green& g, int id, int signal, pid_t tid) noexcept {
  thread_timer* made = timers.make();
  if (!made) return -EAGAIN;
  made->id = id;
  made->signal = signal;
  made->tid = tid;
  the_machine().signals.timers.push_back(*made);
  look_at_signal(g, signal);
  return 0;
}

void drop_timers_signals(int id, pid_t tid) noexcept {
  if (green* named = tid ? find_thread(tid) : nullptr) named->pending.drop_timer(id);
  the_machine().signals.pending.drop_timer(id);
}

void forget_timer(green& g, int id) noexcept {
  // One that has just arrived has to find its thread while the timer is known.
  route_arrived_signal(*g.on);
  thread_timer* found = find_timer(id);
  drop_timers_signals(id, found ? found->tid : 0);
  if (!found) return;
  const int signal = found->signal;
  deleted.add(id);
  found->unlink();
  timers.destroy(found);
  look_at_signal(g, signal);
}

void forget_timers() noexcept {
  signal_state& s = the_machine().signals;
  while (!s.timers.empty())
    timers.destroy(&s.timers.pop_front());
  s.timed = 0;
  deleted.next = 0; // the process's numbers begin anew
}

const thread_timer* timer_of(const siginfo_t& info) noexcept {
  if (info.si_code != SI_TIMER) return nullptr;
  if (const thread_timer* timer = find_timer(info.si_timerid)) return timer;
  return deleted.has(info.si_timerid) ? &of_nobody : nullptr;
}

void note_timers_signal(siginfo_t& info) noexcept {
  if (info.si_code != SI_TIMER) return;
  if (thread_timer* timer = find_timer(info.si_timerid)) {
    timer->overrun = info.si_overrun;
  } else if (cpu_timer* other = find_cpu_timer(info.si_timerid)) {
    info.si_overrun += other->unseen;
    other->unseen = 0;
    other->overrun = info.si_overrun;
  }
}

} // namespace weft::patch
