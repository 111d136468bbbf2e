// SPDX-License-Identifier: BSL-1.0
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "runtime/io/number_epochs.hpp"
#include "runtime/sched/hub.hpp"
#include "weft/io.hpp"

namespace weft::io {

int close(int fd) noexcept {
  if (fd < 0) return ::close(fd);
  hub* mine = detail::this_hub;
  int result;
  bool others;
  {
    const std::lock_guard held(number_mutex(fd));
    others = end_epoch(fd, mine);
    if (mine) mine->reactor().forget(fd, 0);
    result = ::close(fd);
  }
  if (others) {
    const int error = errno;
    tell_other_hubs(fd, mine);
    errno = error;
  }
  return result;
}

} // namespace weft::io
