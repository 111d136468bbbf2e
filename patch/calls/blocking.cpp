// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/blocking.hpp"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>

#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {

bool ready_now(int fd, core::io_events direction) noexcept {
  pollfd p{fd, static_cast<short>(direction), 0};
  long ready;
  do // poll is interrupted even if it is not to wait
    ready = raw_syscall(SYS_poll, &p, 1, 0);
  while (ready == -EINTR);
  return ready != 0;
}

} // namespace weft::patch
