// SPDX-License-Identifier: BSL-1.0
#include "runtime/io/socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "runtime/io/failure.hpp"
#include "runtime/io/operation.hpp"

namespace weft::io {

descriptor new_socket(int family, int type) {
  descriptor made(::socket(family, type | SOCK_CLOEXEC, 0));
  if (!made) throw_failure("socket", errno);
  drop_old_record(made.get());
  return made;
}

void switch_on(int fd, int level, int option) noexcept {
  const int one = 1;
  ::setsockopt(fd, level, option, &one, sizeof one);
}

void set_non_blocking(int fd, bool on) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0) ::fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

} // namespace weft::io
