// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/wait.hpp"

#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"

namespace weft::patch {

io_wait wait_for_io(green& g, int fd, core::io_events wanted, core::nanoseconds deadline,
                    park_reason reason, core::io_events& came) noexcept {
  machine& m = the_machine();
  core::io_waiter waiter;
  waiter.fd = fd;
  waiter.wanted = wanted;
  waiter.owner = &g;
  prepare_park(g);
  if (m.reactor.add(waiter) < 0) return io_wait::not_waitable;
  const wakeup why = park(g, deadline, reason, true);
  m.reactor.remove(waiter);
  came = waiter.came;
  switch (why) {
    case wakeup::timeout: return io_wait::timeout;
    case wakeup::signal: return io_wait::signal;
    default: return waiter.came ? io_wait::ready : io_wait::closed;
  }
}

io_wait wait_for_io(green& g, int fd, core::io_events wanted, core::nanoseconds deadline,
                    park_reason reason) noexcept {
  core::io_events came;
  return wait_for_io(g, fd, wanted, deadline, reason, came);
}

}  // namespace weft::patch
