// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/glance.hpp"

#include "patch/kernel/machine.hpp"

namespace weft::patch::glance {

bool is_queue_empty(const processor& p) noexcept {
  return p.ready.empty();
}

bool is_anything_ready(machine& m) noexcept {
  return m.processors.is_anything_ready();
}

bool is_shared_queue_empty(machine& m) noexcept {
  return m.processors.shared.empty();
}

unsigned idle(machine& m) noexcept {
  return m.processors.idle();
}

bool is_there_a_poller(machine& m) noexcept {
  return m.processors.poller != nullptr;
}

core::nanoseconds next_due(machine& m) noexcept {
  return m.timers.next_due();
}

bool awaits_events(machine& m) noexcept {
  return patch::awaits_events(m) || m.clocks.have_waiters();
}

bool are_transfers_queued(machine& m) noexcept {
  return !m.transfers.empty();
}

int epoll_descriptor(machine& m) noexcept {
  return m.reactor.epoll_descriptor();
}

} // namespace weft::patch::glance
