// SPDX-License-Identifier: BSL-1.0
#include "runtime/io/failure.hpp"

#include <fcntl.h>
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <system_error>

#include "runtime/core/clock.hpp"
#include "weft/io.hpp"

namespace weft::io {

void throw_failure(const char* call, int fd, int error) {
  throw_failure(std::string(call) + "(" + std::to_string(fd) + ")", error);
}

void throw_failure(const std::string& what, int error) {
  throw std::system_error(error, std::generic_category(), "weft: " + what);
}

bool has_come(const deadline& until) noexcept {
  return !until.is_never() && until.absolute() <= core::monotonic_now();
}

bool is_non_blocking(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

void wait_until_ready(const char* call, int fd, short events, const deadline& until) {
  pollfd one{fd, events, 0};
  int found;
  do {
    found = poll(&one, 1, until);
  } while (found < 0 && errno == EINTR);
  if (found < 0) throw_failure(call, fd, errno);
  if (found == 0) throw_failure(call, fd, ETIMEDOUT);
  if (one.revents & POLLNVAL) throw_failure(call, fd, EBADF);
}

} // namespace weft::io
