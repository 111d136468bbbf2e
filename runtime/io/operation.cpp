// SPDX-License-Identifier: BSL-1.0
#include "runtime/io/operation.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "runtime/io/number_epochs.hpp"
#include "runtime/sched/hub.hpp"

namespace weft::io {
namespace {

constexpr core::nanoseconds millisecond = 1'000'000;

// In milliseconds, rounded up; 0: none.
std::uint32_t socket_timeout(int fd, int option) noexcept {
  timeval time{};
  socklen_t size = sizeof time;
  if (::getsockopt(fd, SOL_SOCKET, option, &time, &size) != 0) return 0;
  const auto milliseconds = time.tv_sec * 1000 + (time.tv_usec + 999) / 1000;
  return static_cast<std::uint32_t>(std::min<decltype(milliseconds)>(milliseconds, UINT32_MAX));
}

} // namespace

void operation::look_up_settings() noexcept {
  const int flags = ::fcntl(fd_, F_GETFL);
  if (flags >= 0 && flags & O_NONBLOCK) take_note(non_blocking);
  if (entry_) {
    entry_->receive_timeout = socket_timeout(fd_, SO_RCVTIMEO);
    entry_->send_timeout = socket_timeout(fd_, SO_SNDTIMEO);
  } else {
    own_timeout_ = socket_timeout(fd_, direction_ & core::io_out ? SO_SNDTIMEO : SO_RCVTIMEO);
  }
  take_note(settings_known);
}

core::nanoseconds operation::earliest_limit() noexcept {
  if (limit_known_) return limit_;
  limit_known_ = true;
  const core::nanoseconds now = core::monotonic_now();
  limit_ = until_.at(now);
  if (const std::uint32_t timeout = sockets_timeout(); timeout != 0) {
    const core::nanoseconds end = core::deadline_after(now, timeout * millisecond);
    limit_is_the_sockets_ = end < limit_;
    limit_ = std::min(limit_, end);
  }
  return limit_;
}

int operation::wait(checked_call* call) {
  if (user_wants_no_waiting()) return -EAGAIN;
  const core::nanoseconds end = limit();
  if (end == 0) return -ETIMEDOUT;
  const int result = entry_ ? wait_on_hub(end, call) : wait_in_poll(end);
  return result == -ETIMEDOUT && limit_is_the_sockets_ ? -EAGAIN : result;
}

void operation::prepare(checked_call& call, const recv_or_send& asked) noexcept {
  call.what = asked.what;
  call.fd = fd_;
  call.flags = asked.flags;
  call.data = const_cast<void*>(asked.data);
  call.size = asked.size;
  call.owner = hub_->running();
  call.entry = entry_;
}

/// Only what is registered is known to be closed when it is.
bool operation::worth_batching() noexcept {
  return entry_->registered && hub_->has_company() && !(notes() & no_socket) && may_wait();
}

/// Not to be interrupted, as it is not where it is made by itself: it takes no longer than others'
/// turns.
ssize_t operation::make_with_others(checked_call& call) {
  call.generation = entry_->generation;
  call.epoch = current_epoch(fd_);
  call.stale = [](const core::socket_call& c) noexcept {
    const auto& self = static_cast<const checked_call&>(c);
    return self.entry->generation != self.generation || self.epoch != current_epoch(self.fd);
  };
  ring_->push(call);
  while (!call.is_done())
    hub_->park(core::never, call_, nullptr, false);
  return call.result;
}

inline int operation::wait_on_hub(core::nanoseconds end, checked_call* call) {
  hub& h = *hub_;
  core::reactor& r = h.reactor();
  if (entry_->registered && entry_->epoch != current_epoch(fd_)) {
    r.renew(fd_); // closed by another hub: all that is known is of another file
    return 0;
  }
  core::reactor::clear(*entry_, direction_, ticket_);
  core::io_waiter waiter;
  waiter.fd = fd_;
  waiter.wanted = direction_;
  waiter.owner = h.running();
  const int failed = entry_->registered ? r.add(waiter, *entry_) : add_waiter(h, waiter);
  if (failed < 0) return failed;
  if (call) {
    // Not by the epoch: after an audit the record is of none. What another hub closes between the
    // event and the call is as if it did so between the fiber's wake-up and its own call.
    call->stale = [](const core::socket_call& c) noexcept {
      return static_cast<const checked_call&>(c).entry->generation != c.generation;
    };
    call->result = core::socket_call::pending;
    waiter.to_make = call;
  }
  const detail::wake woken = h.park(end, call_);
  const bool came = !waiter.linked();
  r.remove(waiter);
  if (call && call->is_done()) { // then it counts, whatever else happened
    ticket_ = call->ticket;
    return 0;
  }
  if (call && call->linked()) call->unlink();
  if (woken == detail::wake::interrupted) h.throw_interrupt();
  if (!came) return -ETIMEDOUT;
  return waiter.came == 0 ? -EBADF : 0; // closed under us
}

int operation::wait_in_poll(core::nanoseconds end) noexcept {
  pollfd one{fd_, static_cast<short>(direction_), 0};
  timespec span{};
  if (end != core::never) {
    const core::nanoseconds left = std::max<core::nanoseconds>(end - core::monotonic_now(), 0);
    span = {.tv_sec = left / (1000 * millisecond), .tv_nsec = left % (1000 * millisecond)};
  }
  const int ready = ::ppoll(&one, 1, end == core::never ? nullptr : &span, nullptr);
  if (ready < 0) return -errno;
  return ready == 0 ? -ETIMEDOUT : 0;
}

int add_waiter(hub& h, core::io_waiter& w) {
  core::reactor& r = h.reactor();
  core::descriptor* d = r.entry(w.fd);
  if (!d) return r.add(w);
  if (d->registered) return r.add(w, *d);
  const std::lock_guard held(number_mutex(w.fd));
  const std::uint32_t epoch = join_epoch(w.fd, h);
  const int result = r.add(w);
  if (result >= 0) d->epoch = epoch;
  return result;
}

void drop_old_record(int fd) noexcept {
  if (!detail::this_hub) return;
  core::reactor& r = detail::this_hub->reactor();
  const core::descriptor* d = r.entry(fd);
  if (d && d->registered) r.renew(fd);
}

void refresh(int fd) noexcept {
  if (!detail::this_hub) return;
  if (core::descriptor* d = detail::this_hub->reactor().entry(fd))
    d->notes &= static_cast<std::uint8_t>(~(settings_known | non_blocking));
}

} // namespace weft::io
