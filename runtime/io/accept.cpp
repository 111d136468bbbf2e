// SPDX-License-Identifier: BSL-1.0
#include <mutex>

#include "runtime/io/attempt.hpp"
#include "runtime/io/number_epochs.hpp"
#include "runtime/io/operation.hpp"
#include "runtime/sched/hub.hpp"
#include "weft/io.hpp"

namespace weft::io {
namespace {

// There is no accept that does not wait, short of O_NONBLOCK: poll first. The lock keeps another
// thread of weft's from taking the connection in between.
ssize_t attempt_accept(int fd, sockaddr* from, socklen_t* from_size, int flags) noexcept {
  const std::lock_guard held(number_mutex(fd));
  if (!ready_now(fd, core::io_in)) return -EAGAIN;
  return kernel_result(::accept4(fd, from, from_size, flags));
}

} // namespace

int accept(int fd, sockaddr* from, socklen_t* from_size, deadline until) {
  return accept4(fd, from, from_size, 0, until);
}

int accept4(int fd, sockaddr* from, socklen_t* from_size, int flags, deadline until) {
  operation op(fd, core::io_in, until, detail::blocking_call::io_accept);
  if (op.plain()) return ::accept4(fd, from, from_size, flags);
  const ssize_t made = op.run([&] { return attempt_accept(fd, from, from_size, flags); });
  if (made >= 0) drop_old_record(static_cast<int>(made));
  return static_cast<int>(posix_result(made));
}

} // namespace weft::io
