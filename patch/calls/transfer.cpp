// SPDX-License-Identifier: BSL-1.0
//
// read, write and their vectors, and sendfile.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "patch/calls/blocking.hpp"
#include "patch/calls/table.hpp"
#include "patch/calls/thread_name.hpp"
#include "patch/calls/vector.hpp"
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
  char path[sizeof "/proc/self/fd/" + 10] = "/proc/self/fd/";
  int digits = 1;
  for (int rest = fd; rest >= 10; rest /= 10)
    ++digits;
  char* const end = path + sizeof "/proc/self/fd/" - 1 + digits;
  *end = 0;
  for (int rest = fd, i = 1; i <= digits; ++i, rest /= 10)
    end[-i] = static_cast<char>('0' + rest % 10);
  const long twin = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (is_error(twin)) return -EAGAIN;
  const long result = raw_syscall(SYS_readv, twin, parts, count);
  raw_syscall(SYS_close, twin);
  return result;
}

/// One try to read that does not wait, whatever `fd` is.
long try_read(int fd, const iovec* parts, int count) noexcept {
  switch (kind_of(fd)) {
  case fd_kind::socket: {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return raw_syscall(SYS_recvmsg, fd, &message, MSG_DONTWAIT);
  }
  case fd_kind::pipe: {
    const long n = raw_syscall(SYS_preadv2, fd, parts, count, -1L, 0, RWF_NOWAIT);
    if (n != -EOPNOTSUPP) return n;
    set_kind(fd, fd_kind::fifo);
    [[fallthrough]];
  }
  default:
    if (ready_now(fd, core::io_in) || is_nonblocking(fd))
      return raw_syscall(SYS_readv, fd, parts, count);
    return kind_of(fd) == fd_kind::fifo ? read_fifo(fd, parts, count) : -EAGAIN;
  }
}

long try_write(green& g, int fd, const iovec* parts, int count) noexcept {
  switch (kind_of(fd)) {
  case fd_kind::socket: {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return writing(g, [&] { return raw_syscall(SYS_sendmsg, fd, &message, MSG_DONTWAIT); });
  }
  case fd_kind::pipe: {
    const long n =
        writing(g, [&] { return raw_syscall(SYS_pwritev2, fd, parts, count, -1L, 0, RWF_NOWAIT); });
    if (n != -EOPNOTSUPP) return n;
    set_kind(fd, fd_kind::fifo);
    [[fallthrough]];
  }
  default: {
    const bool ready = ready_now(fd, core::io_out);
    const bool fits = kind_of(fd) != fd_kind::fifo || bytes_in(parts, count) <= PIPE_BUF;
    const bool nonblocking = (!ready || !fits) && is_nonblocking(fd);
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
  }
}

/// Whether weft has no business with this transfer: files, and what it keeps no books on.
bool is_kernels(int fd) noexcept {
  const fd_kind kind = kind_of(fd);
  return kind == fd_kind::file || kind == fd_kind::unknown || kind == fd_kind::name;
}

long read_parts(green& g, int fd, const iovec* parts, int count, std::size_t bytes) noexcept {
  return until_done(g, fd, core::io_in, bytes, receive_timeout,
                    [&](int now) { return try_read(now, parts, count); });
}

/// A blocking write goes on until all is written, an error or a signal comes.
long write_all(green& g, int fd, const iovec* parts, std::size_t count) noexcept {
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
    const long result = until_done(g, fd, core::io_out, bytes_in(next, n), send_timeout,
                                   [&](int now) { return try_write(g, now, next, n); });
    if (result < 0) return written > 0 ? written : result;
    written += result;
    rest.advance(static_cast<std::size_t>(result));
    if (!rest.empty() && is_nonblocking(fd)) return written;
  } while (!rest.empty());
  return written;
}

long on_read(green& g, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  if (f.rdx == 0 || is_kernels(fd)) return pass_to_kernel;
  if (kind_of(fd) == fd_kind::socket) {
    return until_done(g, fd, core::io_in, f.rdx, receive_timeout, [&](int now) {
      return raw_syscall(SYS_recvfrom, now, f.rsi, f.rdx, MSG_DONTWAIT, nullptr, nullptr);
    });
  }
  const iovec whole{pointer<void>(f.rsi), f.rdx};
  return read_parts(g, fd, &whole, 1, f.rdx);
}

long on_readv(green& g, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  if (f.rdx > IOV_MAX || is_kernels(fd)) return pass_to_kernel;
  const auto* parts = pointer<iovec>(f.rsi);
  const std::size_t bytes = bytes_in(parts, number(f.rdx));
  if (bytes == 0) return pass_to_kernel; // nothing to wait for, or not readable
  return read_parts(g, fd, parts, number(f.rdx), bytes);
}

long on_write(green& g, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  if (kind_of(fd) == fd_kind::name) return write_name(fd, pointer<const char>(f.rsi), f.rdx);
  if (f.rdx == 0 || is_kernels(fd)) return pass_to_kernel;
  const iovec whole{pointer<void>(f.rsi), f.rdx};
  return write_all(g, fd, &whole, 1);
}

long on_writev(green& g, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  if (f.rdx > IOV_MAX || is_kernels(fd)) return pass_to_kernel;
  if (bytes_in(pointer<iovec>(f.rsi), number(f.rdx)) == 0) return pass_to_kernel;
  return write_all(g, fd, pointer<iovec>(f.rsi), f.rdx);
}

/// sendfile to something that may have to be waited for: by reading and writing, since the
/// kernel's own way blocks in the middle.
long on_sendfile(green& g, syscall_frame& f) noexcept {
  const int out = number(f.rdi);
  const int in = number(f.rsi);
  auto* offset = pointer<long>(f.rdx);
  const std::size_t count = f.r10;
  if (is_kernels(out) || kind_of(in) != fd_kind::file || is_nonblocking(out)) return pass_to_kernel;
  constexpr std::size_t piece = 64 * 1024;
  const long buffer =
      core::sys::map(nullptr, piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (is_error(buffer)) return buffer;
  long position = -EFAULT;
  if (!offset)
    position = raw_syscall(SYS_lseek, in, 0, SEEK_CUR);
  else if (long given; get_user(given, offset))
    position = given;
  long sent = 0;
  long result = is_error(position) ? position : 0;
  while (result >= 0 && static_cast<std::size_t>(sent) < count) {
    std::size_t want = count - static_cast<std::size_t>(sent);
    if (want > piece) want = piece;
    result = raw_syscall(SYS_pread64, in, buffer, want, position);
    if (result <= 0) break;
    const iovec part{reinterpret_cast<void*>(buffer), static_cast<std::size_t>(result)};
    const long asked = result;
    result = write_all(g, out, &part, 1);
    if (result > 0) {
      position += result;
      sent += result;
    }
    if (result != asked) break;
  }
  core::sys::unmap(reinterpret_cast<void*>(buffer), piece);
  if (sent > 0) {
    if (!offset)
      raw_syscall(SYS_lseek, in, position, SEEK_SET);
    else if (!put_user(offset, position))
      return -EFAULT;
    return sent;
  }
  return result;
}

constexpr call_entry entries[] = {
    {SYS_read, virtual_when::active, on_read},
    {SYS_readv, virtual_when::active, on_readv},
    {SYS_write, virtual_when::active, on_write},
    {SYS_writev, virtual_when::active, on_writev},
    {SYS_sendfile, virtual_when::active, on_sendfile},
};

} // namespace

const call_family transfer_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch
