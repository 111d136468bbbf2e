// SPDX-License-Identifier: BSL-1.0
//
// read, write and their vectors, and sendfile.
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "patch/calls/blocking.hpp"
#include "patch/calls/table.hpp"
#include "patch/calls/vector.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

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
      set_kind(fd, fd_kind::pollable);  // a FIFO
      [[fallthrough]];
    }
    default:
      if (!ready_now(fd, core::io_in)) return -EAGAIN;
      return raw_syscall(SYS_readv, fd, parts, count);
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
      const long n = writing(
          g, [&] { return raw_syscall(SYS_pwritev2, fd, parts, count, -1L, 0, RWF_NOWAIT); });
      if (n != -EOPNOTSUPP) return n;
      set_kind(fd, fd_kind::pollable);
      [[fallthrough]];
    }
    default:
      if (!ready_now(fd, core::io_out)) return -EAGAIN;
      return writing(g, [&] { return raw_syscall(SYS_writev, fd, parts, count); });
  }
}

/// Whether weft has no business with this transfer: files, and what has O_NONBLOCK.
bool is_kernels(int fd) noexcept {
  const fd_kind kind = kind_of(fd);
  return kind == fd_kind::file || kind == fd_kind::unknown;
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
    iovec window[vector_rest::window];
    const int n = rest.next(window);
    std::size_t bytes = 0;
    for (int i = 0; i < n; ++i) bytes += window[i].iov_len;
    const long result = until_done(g, fd, core::io_out, bytes, send_timeout,
                                   [&](int now) { return try_write(g, now, window, n); });
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
  const vector_rest all{pointer<iovec>(f.rsi), f.rdx};
  if (f.rdx > 1024 || is_kernels(fd) || all.bytes() == 0) return pass_to_kernel;
  return read_parts(g, fd, pointer<iovec>(f.rsi), number(f.rdx), all.bytes());
}

long on_write(green& g, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  if (f.rdx == 0 || is_kernels(fd)) return pass_to_kernel;
  const iovec whole{pointer<void>(f.rsi), f.rdx};
  return write_all(g, fd, &whole, 1);
}

long on_writev(green& g, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  const vector_rest all{pointer<iovec>(f.rsi), f.rdx};
  if (f.rdx > 1024 || is_kernels(fd) || all.bytes() == 0) return pass_to_kernel;
  // A datagram is one, however many parts it has.
  if (f.rdx > vector_rest::window && kind_of(fd) == fd_kind::socket) {
    return until_done(g, fd, core::io_out, all.bytes(), send_timeout, [&](int now) {
      return try_write(g, now, pointer<iovec>(f.rsi), number(f.rdx));
    });
  }
  return write_all(g, fd, pointer<iovec>(f.rsi), f.rdx);
}

/// sendfile to something that may have to be waited for: by reading and writing, since the
/// kernel's own way blocks in the middle.
long on_sendfile(green& g, syscall_frame& f) noexcept {
  const int out = number(f.rdi);
  const int in = number(f.rsi);
  auto* offset = pointer<long>(f.rdx);
  const std::size_t count = f.r10;
  if (is_kernels(out) || kind_of(in) != fd_kind::file || is_nonblocking(out))
    return pass_to_kernel;
  constexpr std::size_t piece = 64 * 1024;
  const long buffer = core::sys::map(nullptr, piece, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS);
  if (is_error(buffer)) return buffer;
  long position = offset ? *offset : raw_syscall(SYS_lseek, in, 0, SEEK_CUR);
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
    if (offset)
      *offset = position;
    else
      raw_syscall(SYS_lseek, in, position, SEEK_SET);
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

}  // namespace

const call_family transfer_calls{entries, sizeof entries / sizeof *entries};

}  // namespace weft::patch
