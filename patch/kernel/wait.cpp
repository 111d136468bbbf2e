// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/wait.hpp"

#include <errno.h>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"

namespace weft::patch {

bool is_shortage(int failed) noexcept {
  return failed == -EMFILE || failed == -ENFILE || failed == -ENOMEM || failed == -ENOSPC;
}

namespace {

/// Until t, which was queued, is done, whatever else happens.
void await(green& g, const transfer& t) noexcept {
  while (!t.is_done()) {
    prepare_park(g);
    park(g, core::never, park_reason::io, false);
  }
}

/// Sees to it that what a thread that is woken had asked for is not made any more, or done. Whether
/// it was made.
bool settle(green& g, const core::io_waiter& waiter, transfer& t) noexcept {
  if (t.linked())
    t.unlink();
  else if (waiter.came) // it is in a batch under way
    await(g, t);
  return t.is_done();
}

[[gnu::always_inline]] inline io_wait wait_for_event(green& g, int fd, core::io_events wanted,
                                                     core::nanoseconds deadline, park_reason reason,
                                                     bool only_new, transfer* to_make) noexcept {
  machine& m = the_machine();
  core::io_waiter& waiter = g.waiting_for_io;
  waiter.came = 0;
  waiter.fd = fd;
  waiter.wanted = wanted;
  waiter.owner = &g;
  waiter.only_new = only_new;
  waiter.to_make = to_make;
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
  if (to_make && settle(g, waiter, *to_make)) return io_wait::ready;
  switch (why) {
  case wakeup::timeout:
    return io_wait::timeout;
  case wakeup::signal:
    return io_wait::signal;
  default:
    return waiter.came ? io_wait::ready : io_wait::closed;
  }
}

} // namespace

io_wait wait_for_io(green& g, int fd, core::io_events wanted, core::nanoseconds deadline,
                    park_reason reason, bool only_new) noexcept {
  return wait_for_event(g, fd, wanted, deadline, reason, only_new, nullptr);
}

io_wait wait_until_made(green& g, int fd, transfer& to_make, core::nanoseconds deadline,
                        park_reason reason) noexcept {
  to_make.result = transfer::pending;
  const bool receives = to_make.what == transfer::kind::receive;
  return wait_for_event(g, fd, receives ? core::io_in : core::io_out, deadline, reason, false,
                        &to_make);
}

void make_with_others(green& g, transfer& t) noexcept {
  the_machine().transfers.push(t);
  await(g, t);
}

} // namespace weft::patch
