// SPDX-License-Identifier: BSL-1.0
#include <errno.h>
#include <sys/signalfd.h>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/own_descriptors.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/signal_detail.hpp"

namespace weft::patch {

long wait_for_signal(green& g, std::uint64_t set, siginfo_t* info,
                     core::nanoseconds deadline) noexcept {
  machine& m = the_machine();
  signal_state& s = m.signals;
  set &= ~unblockable;
  siginfo_t found;
  const auto fetch = [&]() -> long {
    if (next_signal(g, set, found)) {
      if (info) *info = found;
      return found.si_signo;
    }
    const timespec none{0, 0};
    const long result = raw_syscall(SYS_rt_sigtimedwait, &set, &found, &none, 8);
    if (result > 0) {
      note_timers_signal(found);
      if (info) *info = found;
    }
    return result;
  };
  if (m.processors.several()) guard_signals(set);
  s.awaited.add(set);
  apply_worker_mask(*g.on);
  const std::uint64_t awaited = s.awaited.any();
  const long made =
      raw_syscall(SYS_signalfd4, s.waiter_descriptor, &awaited, 8, SFD_CLOEXEC | SFD_NONBLOCK);
  if (s.waiter_descriptor < 0 && !is_error(made)) s.waiter_descriptor = move_out_of_sight(made);

  long result;
  for (;;) {
    prepare_park(g);
    g.waits_for = set;
    const std::uint32_t ticket = m.reactor.ticket(s.waiter_descriptor);
    result = fetch();
    if (result != -EAGAIN) break;
    m.reactor.clear(s.waiter_descriptor, core::io_in, ticket);
    core::io_waiter waiter;
    waiter.fd = s.waiter_descriptor;
    waiter.wanted = core::io_in;
    waiter.owner = &g;
    const int added = m.reactor.add(waiter);
    if (added < 0) {
      result = added;
      break;
    }
    const wakeup why = park(g, deadline, park_reason::signal, true);
    m.reactor.remove(waiter);
    if (why == wakeup::timeout) {
      result = fetch();
      break;
    }
    if (why == wakeup::signal && !((g.pending.set() | s.pending.set()) & set)) {
      result = -EINTR;
      break;
    }
  }
  g.waits_for = 0;
  s.awaited.subtract(set);
  apply_worker_mask(*g.on);
  return result;
}

} // namespace weft::patch
