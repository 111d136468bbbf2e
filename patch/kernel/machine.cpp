// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/machine.hpp"

#include <sys/syscall.h>

#include <new>

#include "patch/kernel/scheduler.hpp"
#include "patch/sites/raw_syscall.hpp"

constinit thread_local weft::patch::entry_state* weft_self = nullptr;

namespace weft::patch {
namespace {

void wake_waiter(core::io_waiter& w) noexcept {
  if (!w.owner) return the_machine().clocks.were_set();
  if (w.to_make && w.came) return the_machine().transfers.push_ready(*w.to_make);
  unpark(*static_cast<green*>(w.owner), wakeup::event);
}

} // namespace

/// Not an object with static storage duration: that would be constructed when libraries are,
/// in an order that is not ours, and destroyed while threads still run.
alignas(machine) unsigned char machine_storage[sizeof(machine)];

machine::machine() noexcept : timers(core::monotonic_now()), reactor(wake_waiter) {
  first.started = true;
  first.current = &first.idle;
  first.tid = static_cast<pid_t>(raw_syscall(SYS_gettid));
  processors.occupy(processors[0], first);
}

void make_machine() noexcept {
  ::new (machine_storage) machine;
}

} // namespace weft::patch
