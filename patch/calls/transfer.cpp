// SPDX-License-Identifier: BSL-1.0
//
// read, write and their vectors.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>

#include "patch/calls/blocking.hpp"
#include "patch/calls/table.hpp"
#include "patch/calls/thread_name.hpp"
#include "patch/calls/transfer.hpp"
#include "patch/calls/vector.hpp"
#include "patch/calls/with_others.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

std::size_t bytes_in(const iovec* parts, int count) noexcept {
  return vector_rest{parts, static_cast<std::size_t>(count)}.bytes();
}

/// A FIFO that poll says is not ready has ended all the same if no writer came since it was
/// opened. A second open file, with O_NONBLOCK, tells.
long read_fifo(int fd, const iovec* parts, int count) noexcept {
  const fd_path path{fd};
  const long twin = raw_syscall(SYS_openat, AT_FDCWD, path.text, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (is_error(twin)) return -EAGAIN;
  const long result = raw_syscall(SYS_readv, twin, parts, count);
  raw_syscall(SYS_close, twin);
  return result;
}

/// A terminal in a mode in which reading does not wait for what poll waits for (VMIN 0), or that
/// is another process group's: it is the kernel's to read from.
bool reads_by_rules_of_its_own(int fd) noexcept {
  struct { // the kernel's own struct termios
    unsigned input, output, control, local;
    unsigned char line, characters[19];
  } mode;
  if (raw_syscall(SYS_ioctl, fd, TCGETS, &mode) != 0) return false;
  if (!(mode.local & ICANON) && mode.characters[VMIN] == 0) return true;
  pid_t foreground = 0;
  return raw_syscall(SYS_ioctl, fd, TIOCGPGRP, &foreground) == 0 &&
         foreground != raw_syscall(SYS_getpgid, 0);
}

/// A read of a pseudo-terminal that waits when the other end goes fails; one that begins later
/// finds the end.
bool was_hung_up(const file_call& call) noexcept {
  if (!call.has_waited() || kind_of(call.fd()) != fd_kind::terminal) return false;
  pollfd p{call.fd(), POLLIN, 0};
  raw_syscall(SYS_poll, &p, 1, 0);
  int number = 0;
  return (p.revents & POLLHUP) && raw_syscall(SYS_ioctl, call.fd(), TIOCGPTN, &number) != 0;
}

/// One try to read that does not wait, whatever the descriptor is.
long try_read(file_call& call, const iovec* parts, int count) noexcept {
  const int fd = call.fd();
  switch (kind_of(fd)) {
  case fd_kind::socket: {
    if (iovec only; count == 1 && get_user(only, parts))
      return try_unlocked(call, SYS_recvfrom, fd, only.iov_base, only.iov_len, MSG_DONTWAIT,
                          nullptr, nullptr);
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return try_unlocked(call, SYS_recvmsg, fd, &message, MSG_DONTWAIT);
  }
  case fd_kind::pipe: {
    const long n = try_unlocked(call, SYS_preadv2, fd, parts, count, -1L, 0, RWF_NOWAIT);
    if (n != -EOPNOTSUPP) return n;
    set_kind(fd, fd_kind::fifo);
    [[fallthrough]];
  }
  default:
    // Whoever else reads from it may be quicker: then the kernel's call waits, and others go on.
    if (ready_now(fd, core::io_in) || call.is_nonblocking())
      return was_hung_up(call) ? -EIO : call.natively(SYS_readv, parts, count);
    return kind_of(fd) == fd_kind::fifo ? read_fifo(fd, parts, count) : -EAGAIN;
  }
}

long try_write(green& g, file_call& call, const iovec* parts, int count) noexcept {
  const int fd = call.fd();
  switch (kind_of(fd)) {
  case fd_kind::socket: {
    if (iovec only; count == 1 && get_user(only, parts))
      return writing(g, [&] {
        return try_unlocked(call, SYS_sendto, fd, only.iov_base, only.iov_len, MSG_DONTWAIT,
                            nullptr, 0);
      });
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return writing(g, [&] { return try_unlocked(call, SYS_sendmsg, fd, &message, MSG_DONTWAIT); });
  }
  case fd_kind::pipe: {
    const long n = writing(
        g, [&] { return try_unlocked(call, SYS_pwritev2, fd, parts, count, -1L, 0, RWF_NOWAIT); });
    if (n != -EOPNOTSUPP) return n;
    set_kind(fd, fd_kind::fifo);
    [[fallthrough]];
  }
  case fd_kind::fifo: {
    const bool ready = ready_now(fd, core::io_out);
    const bool fits = bytes_in(parts, count) <= PIPE_BUF;
    const bool nonblocking = (!ready || !fits) && call.is_nonblocking();
    if (!ready && !nonblocking) return -EAGAIN;
    if (fits || nonblocking)
      return writing(g, [&] { return raw_syscall(SYS_writev, fd, parts, count); });
    // Room for a page is what poll promises; what is longer need not be written at once.
    iovec first[vector_rest::window];
    int n = 0;
    for (std::size_t room = PIPE_BUF; n < count && n < vector_rest::window && room > 0; ++n) {
      if (!get_user(first[n], parts + n)) return -EFAULT;
      if (first[n].iov_len > room) first[n].iov_len = room;
      room -= first[n].iov_len;
    }
    return writing(g, [&] { return raw_syscall(SYS_writev, fd, first, n); });
  }
  default:
    // poll promises room for something, and a terminal takes its writers one after the other.
    if (!ready_now(fd, core::io_out) && !call.is_nonblocking()) return -EAGAIN;
    return call.natively(SYS_writev, parts, count);
  }
}

/// A socket's read waits for SO_RCVLOWAT bytes, and gets what came until then if it must end.
long read_parts(green& g, int fd, const iovec* parts, int count, std::size_t bytes) noexcept {
  file_call call{g, fd, core::io_in, receive_timeout};
  iovec only;
  long have;
  if (count == 1 && goes_with_others(g, fd, bytes, 0) && get_user(only, parts)) [[unlikely]]
    have = receive_with_others(call, only.iov_base, only.iov_len, 0);
  else
    have = until_done(call, bytes, [&](int) { return try_read(call, parts, count); });
  if (have <= 0 || static_cast<std::size_t>(have) >= bytes) return have;
  const std::size_t least = least_to_receive(call, bytes);
  vector_rest rest{parts, static_cast<std::size_t>(count)};
  for (long n = have; n > 0 && static_cast<std::size_t>(have) < least; have += n) {
    rest.advance(static_cast<std::size_t>(n));
    iovec window[vector_rest::window];
    const int next = rest.next(window);
    n = until_done(call, rest.bytes(), [&](int) { return try_read(call, window, next); });
    if (n <= 0) break;
  }
  return have;
}

} // namespace

long write_all(green& g, int fd, const iovec* parts, std::size_t count) noexcept {
  file_call call{g, fd, core::io_out, send_timeout};
  vector_rest rest{parts, count};
  long written = 0;
  do {
    // First the whole, in one: a datagram is one, however many parts it has, and what fits
    // into a pipe is not torn.
    iovec window[vector_rest::window];
    const iovec* next = parts;
    int n = static_cast<int>(count);
    if (written > 0) {
      n = rest.next(window);
      next = window;
    }
    const long result =
        until_done(call, bytes_in(next, n), [&](int) { return try_write(g, call, next, n); });
    if (result < 0) return written > 0 ? written : result;
    written += result;
    rest.advance(static_cast<std::size_t>(result));
    if (!rest.empty() && call.is_nonblocking()) return written;
  } while (!rest.empty());
  return written;
}

namespace {

long on_read(green& g, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  if (f.rdx == 0 || is_kernels(fd)) return pass_to_kernel;
  if (kind_of(fd) == fd_kind::terminal && reads_by_rules_of_its_own(fd)) return pass_to_kernel;
  const iovec whole{pointer<void>(f.rsi), f.rdx};
  return read_parts(g, fd, &whole, 1, f.rdx);
}

long read_vector(green& g, const syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  if (f.rdx > IOV_MAX || is_kernels(fd)) return pass_to_kernel;
  if (kind_of(fd) == fd_kind::terminal && reads_by_rules_of_its_own(fd)) return pass_to_kernel;
  const auto* parts = pointer<iovec>(f.rsi);
  const std::size_t bytes = bytes_in(parts, number(f.rdx));
  if (bytes == 0) return pass_to_kernel; // nothing to wait for, or not readable
  return read_parts(g, fd, parts, number(f.rdx), bytes);
}

long on_write(green& g, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  if (kind_of(fd) == fd_kind::name) return write_name(fd, pointer<const char>(f.rsi), f.rdx);
  if (f.rdx == 0 || is_kernels(fd)) return pass_to_kernel;
  if (goes_with_others(g, fd, f.rdx, 0)) [[unlikely]]
    return send_with_others(g, fd, pointer<void>(f.rsi), f.rdx, 0);
  const iovec whole{pointer<void>(f.rsi), f.rdx};
  return write_all(g, fd, &whole, 1);
}

long write_vector(green& g, const syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  if (f.rdx > IOV_MAX || is_kernels(fd)) return pass_to_kernel;
  if (bytes_in(pointer<iovec>(f.rsi), number(f.rdx)) == 0) return pass_to_kernel;
  return write_all(g, fd, pointer<iovec>(f.rsi), f.rdx);
}

long on_readv(green& g, syscall_frame& f) noexcept {
  return read_vector(g, f);
}
long on_writev(green& g, syscall_frame& f) noexcept {
  return write_vector(g, f);
}

/// preadv2 and pwritev2 at the file's own position are readv and writev; hints and orders to the
/// disk mean nothing to what one waits for. RWF_NOWAIT does not wait, and what is not known is
/// refused.
bool is_plain_vector(const syscall_frame& f) noexcept {
  constexpr unsigned meaningless = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND;
  return static_cast<long>(f.r10) == -1 && !(static_cast<unsigned>(f.r9) & ~meaningless);
}
long on_preadv2(green& g, syscall_frame& f) noexcept {
  return is_plain_vector(f) ? read_vector(g, f) : pass_to_kernel;
}
long on_pwritev2(green& g, syscall_frame& f) noexcept {
  return is_plain_vector(f) ? write_vector(g, f) : pass_to_kernel;
}

constexpr call_entry entries[] = {
    {SYS_read, virtual_when::active, on_read},
    {SYS_readv, virtual_when::active, on_readv},
    {SYS_write, virtual_when::active, on_write},
    {SYS_writev, virtual_when::active, on_writev},
    {SYS_preadv2, virtual_when::active, on_preadv2},
    {SYS_pwritev2, virtual_when::active, on_pwritev2},
};

} // namespace

const call_family transfer_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch
