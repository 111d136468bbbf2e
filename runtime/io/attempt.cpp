// SPDX-License-Identifier: BSL-1.0
#include "runtime/io/attempt.hpp"

#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "runtime/io/number_epochs.hpp"

namespace weft::io {
namespace {

msghdr message_of(const iovec* parts, int count) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return message;
}

bool in_memory(int fd) noexcept {
  struct statfs system;
  if (::fstatfs(fd, &system) != 0) return true;
  switch (static_cast<unsigned long>(system.f_type)) {
  case TMPFS_MAGIC:
  case RAMFS_MAGIC:
  case HUGETLBFS_MAGIC:
  case PROC_SUPER_MAGIC:
  case SYSFS_MAGIC:
    return true;
  default:
    return false;
  }
}

void note_kind(operation& op) noexcept {
  struct stat status;
  if (::fstat(op.fd(), &status) != 0) return op.take_note(poll_first);
  if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode))
    op.take_note(in_memory(op.fd()) ? always_ready : on_disk);
  else
    op.take_note(S_ISDIR(status.st_mode) ? always_ready : poll_first);
}

// Two readers of one hub's thread, or of two, must not both see one byte: the second would block.
ssize_t read_after_poll(int fd, const iovec* parts, int count) noexcept {
  const std::lock_guard held(number_mutex(fd));
  if (!ready_now(fd, core::io_in)) return -EAGAIN;
  return kernel_result(::readv(fd, parts, count));
}

// A pipe that poll(2) calls writable takes PIPE_BUF bytes at once, and other files a few.
ssize_t write_after_poll(int fd, const iovec* parts, int count) noexcept {
  const std::lock_guard held(number_mutex(fd));
  if (!ready_now(fd, core::io_out)) return -EAGAIN;
  for (int i = 0; i < count; ++i) {
    if (parts[i].iov_len == 0) continue;
    const auto size = std::min<std::size_t>(parts[i].iov_len, PIPE_BUF);
    return kernel_result(::write(fd, parts[i].iov_base, size));
  }
  return kernel_result(::writev(fd, parts, count));
}

} // namespace

int socket_type(int fd) noexcept {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 ? type : 0;
}

bool ready_now(int fd, core::io_events events) noexcept {
  pollfd one{fd, static_cast<short>(events), 0};
  return ::poll(&one, 1, 0) != 0;
}

ssize_t attempt_read(operation& op, const iovec* parts, int count) noexcept {
  const int fd = op.fd();
  if (!(op.notes() & no_socket)) {
    ssize_t result;
    if (count == 1) {
      result = ::recv(fd, parts->iov_base, parts->iov_len, MSG_DONTWAIT);
    } else {
      msghdr message = message_of(parts, count);
      result = ::recvmsg(fd, &message, MSG_DONTWAIT);
    }
    if (result >= 0 || errno != ENOTSOCK) return kernel_result(result);
    op.take_note(no_socket);
  }
  if (!(op.notes() & (poll_first | always_ready))) {
    const ssize_t result = ::preadv2(fd, parts, count, -1, RWF_NOWAIT);
    if (result >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) return kernel_result(result);
    note_kind(op);
  }
  if (op.notes() & on_disk) return -EPERM;
  if (op.notes() & always_ready) return kernel_result(::readv(fd, parts, count));
  return read_after_poll(fd, parts, count);
}

ssize_t attempt_write(operation& op, const iovec* parts, int count) noexcept {
  const int fd = op.fd();
  if (!(op.notes() & no_socket)) {
    ssize_t result;
    if (count == 1) {
      result = ::send(fd, parts->iov_base, parts->iov_len, MSG_DONTWAIT);
    } else {
      const msghdr message = message_of(parts, count);
      result = ::sendmsg(fd, &message, MSG_DONTWAIT);
    }
    if (result >= 0 || errno != ENOTSOCK) return kernel_result(result);
    op.take_note(no_socket);
  }
  if (!(op.notes() & (poll_first | always_ready | on_disk))) {
    const ssize_t result = ::pwritev2(fd, parts, count, -1, RWF_NOWAIT);
    if (result >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) return kernel_result(result);
    note_kind(op);
  }
  if (op.notes() & on_disk) return -EPERM;
  if (op.notes() & always_ready) return kernel_result(::writev(fd, parts, count));
  return write_after_poll(fd, parts, count);
}

} // namespace weft::io
