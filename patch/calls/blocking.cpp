// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/blocking.hpp"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>

#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {

/// Before it parks.
[[gnu::always_inline]] inline void file_call::begin_wait() noexcept {
  file_.hold();
  if (waited_) return;
  limit_ = span_ ? span_(fd()) : core::never;
  deadline_ = call_deadline(g_, limit_);
  waited_ = true;
}

/// What the end of a wait means to the call.
[[gnu::always_inline]] inline long file_call::outcome(io_wait how) const noexcept {
  switch (how) {
  case io_wait::ready:
    return 0;
  case io_wait::timeout:
    return -EAGAIN;
  case io_wait::closed:
    return was_closed() && fd() >= 0 ? 0 : -EBADF;
  case io_wait::not_waitable:
    return was_closed() ? -EBADF : pass_to_kernel;
  case io_wait::signal:
    break;
  }
  return limit_ == core::never ? restart_if_allowed : -EINTR;
}

long file_call::wait_for(bool only_new) noexcept {
  begin_wait();
  return outcome(wait_for_io(g_, fd(), direction_, deadline_, park_reason::io, only_new));
}

long file_call::wait(transfer& t) noexcept {
  begin_wait();
  t.file = &file_;
  t.owner = &g_;
  return outcome(wait_until_made(g_, fd(), t, deadline_, park_reason::io));
}

void file_call::make_with_others(transfer& t) noexcept {
  file_.hold();
  t.file = &file_;
  t.owner = &g_;
  patch::make_with_others(g_, t);
}

bool ready_now(int fd, core::io_events direction) noexcept {
  pollfd p{fd, static_cast<short>(direction), 0};
  long ready;
  do // poll is interrupted even if it is not to wait
    ready = raw_syscall(SYS_poll, &p, 1, 0);
  while (ready == -EINTR);
  return ready != 0;
}

long until_ready(file_call& call) noexcept {
  return until_done(call, 0, [&](int fd) -> long {
    return call.is_nonblocking() || ready_now(fd, call.direction()) ? 0 : -EAGAIN;
  });
}

} // namespace weft::patch
