// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/connect.hpp"

#include <sys/syscall.h>

#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {

long connect_parked(green&, int fd, const sockaddr* address, unsigned length) noexcept {
  return raw_syscall(SYS_connect, fd, address, length);
}

}  // namespace weft::patch
