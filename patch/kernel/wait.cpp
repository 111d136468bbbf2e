// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/wait.hpp"

#include <errno.h>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"

namespace weft::patch {

bool is_shortage(int failed) noexcept {
  return failed == -EMFILE || failed == -ENFILE || failed == -ENOMEM || failed == -ENOSPC;
}

io_wait wait_for_io(green& g, int fd, core::io_events wanted, core::nanoseconds deadline,
                    park_reason reason, bool only_new) noexcept {
  machine& m = the_machine();
  core::io_waiter waiter;
  waiter.fd = fd;
  waiter.wanted = wanted;
  waiter.owner = &g;
  waiter.only_new = only_new;
  prepare_park(g);
  if (const int failed = m.reactor.add(waiter); failed < 0) {
    if (!is_shortage(failed)) return io_wait::not_waitable;
    const core::nanoseconds look = core::monotonic_now() + shortage_pause;
    switch (park(g, look < deadline ? look : deadline, reason, true)) {
    case wakeup::signal:
      return io_wait::signal;
    default:
      return look < deadline ? io_wait::ready : io_wait::timeout;
    }
  }
  const wakeup why = park(g, deadline, reason, true);
  m.reactor.remove(waiter);
  switch (why) {
  case wakeup::timeout:
    return io_wait::timeout;
  case wakeup::signal:
    return io_wait::signal;
  default:
    return waiter.came ? io_wait::ready : io_wait::closed;
  }
}

} // namespace weft::patch
