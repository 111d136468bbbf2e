// SPDX-License-Identifier: BSL-1.0
#include "runtime/io/wait_many.hpp"

#include <cerrno>

#include "runtime/io/number_epochs.hpp"
#include "runtime/io/operation.hpp"
#include "runtime/sched/hub.hpp"

namespace weft::io {

wait_many::wait_many(hub& h, std::size_t count) : hub_(h), count_(count) {
  if (count > inline_count) many_ = std::make_unique<one[]>(count);
  all_ = many_ ? many_.get() : few_;
}

void wait_many::begin(std::size_t i, int fd, core::io_events events) noexcept {
  one& w = all_[i];
  w.fd = fd;
  w.wanted = events;
  w.owner = hub_.running();
  if (fd >= 0) w.ticket = hub_.reactor().ticket(fd);
}

int wait_many::queue_all() {
  core::reactor& r = hub_.reactor();
  for (std::size_t i = 0; i < count_; ++i) {
    one& w = all_[i];
    if (w.fd < 0) continue;
    const core::descriptor* d = r.entry(w.fd);
    if (d && d->registered && d->epoch != current_epoch(w.fd)) r.renew(w.fd);
    r.clear(w.fd, w.wanted, w.ticket);
    if (const int failed = add_waiter(hub_, w); failed < 0) return failed;
  }
  return 0;
}

void wait_many::remove_all() noexcept {
  for (std::size_t i = 0; i < count_; ++i)
    hub_.reactor().remove(all_[i]);
}

int wait_many::wait(core::nanoseconds until, detail::blocking_call call) {
  if (const int failed = queue_all(); failed < 0) {
    remove_all();
    return failed;
  }
  const detail::wake woken = hub_.park(until, call);
  remove_all();
  if (woken == detail::wake::interrupted) hub_.throw_interrupt();
  return woken == detail::wake::timed_out ? -ETIMEDOUT : 0;
}

} // namespace weft::io
