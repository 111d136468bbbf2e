// SPDX-License-Identifier: BSL-1.0
#include <limits.h>
#include <unistd.h>

#include "runtime/io/attempt.hpp"
#include "runtime/io/offloaded.hpp"
#include "runtime/io/operation.hpp"
#include "runtime/io/part_list.hpp"
#include "weft/io.hpp"

namespace weft::io {
namespace {

/// Never waits by itself, as the kernel has it, or is not to wait by the caller's wish.
constexpr bool never_waits(int flags) noexcept {
  return (flags & (MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE)) != 0;
}

constexpr recv_or_send nothing_of_the_kind() noexcept {
  return {};
}

/// Runs one receiving call of up to `size` bytes; a short one may tell that nothing is left.
/// `same()` is what it does on a socket.
template <class Attempt, class Same = recv_or_send()>
ssize_t receive(operation& op, std::size_t size, int flags, Attempt attempt,
                const Same& same = nothing_of_the_kind) {
  const ssize_t received = op.run(attempt, same);
  if (received > 0 && static_cast<std::size_t>(received) < size && !(flags & MSG_PEEK))
    op.transferred_less();
  return received;
}

/// Whether MSG_WAITALL asks for more after `received` of `size` bytes.
bool wants_the_rest(operation& op, ssize_t received, std::size_t size, int flags) noexcept {
  return (flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL && received > 0 &&
         static_cast<std::size_t>(received) < size && socket_type(op.fd()) == SOCK_STREAM &&
         !op.user_wants_no_waiting();
}

ssize_t read_parts(operation& op, const iovec* parts, int count) {
  // Nothing is asked for, or nonsense: that does not block, and a socket must not be tried.
  if (count <= 0 || count > IOV_MAX) return kernel_result(::readv(op.fd(), parts, count));
  const std::size_t size = total_size(parts, static_cast<std::size_t>(count));
  if (size == 0) return kernel_result(::readv(op.fd(), parts, count));
  const ssize_t n = receive(op, size, 0, [&] { return attempt_read(op, parts, count); });
  if (n != -EPERM) return n;
  return offloaded([&] { return kernel_result(::readv(op.fd(), parts, count)); }, {});
}

} // namespace

ssize_t read(int fd, void* buffer, std::size_t size, deadline until) {
  operation op(fd, core::io_in, until, detail::blocking_call::io_read);
  if (op.plain()) return ::read(fd, buffer, size);
  if (size != 0 && !(op.notes() & no_socket)) {
    const ssize_t n = receive(
        op, size, 0, [&] { return kernel_result(::recv(fd, buffer, size, MSG_DONTWAIT)); },
        [&] {
          return recv_or_send{core::socket_call::kind::receive, buffer, size, 0};
        });
    if (n != -ENOTSOCK) return posix_result(n);
    op.take_note(no_socket);
  }
  const iovec part{buffer, size};
  return posix_result(read_parts(op, &part, 1));
}

ssize_t readv(int fd, const iovec* parts, int count, deadline until) {
  operation op(fd, core::io_in, until, detail::blocking_call::io_readv);
  if (op.plain()) return ::readv(fd, parts, count);
  return posix_result(read_parts(op, parts, count));
}

ssize_t recv(int fd, void* buffer, std::size_t size, int flags, deadline until) {
  return recvfrom(fd, buffer, size, flags, nullptr, nullptr, until);
}

ssize_t recvfrom(int fd, void* buffer, std::size_t size, int flags, sockaddr* from,
                 socklen_t* from_size, deadline until) {
  operation op(fd, core::io_in, until, detail::blocking_call::io_recv);
  if (op.plain() || never_waits(flags)) return ::recvfrom(fd, buffer, size, flags, from, from_size);
  char* at = static_cast<char*>(buffer);
  std::size_t done = 0;
  while (true) {
    const ssize_t n = receive(
        op, size - done, flags,
        [&] {
          return kernel_result(
              ::recvfrom(fd, at + done, size - done, flags | MSG_DONTWAIT, from, from_size));
        },
        [&] {
          return recv_or_send{core::socket_call::kind::receive,
                              !from && flags == 0 ? at + done : nullptr, size - done, 0};
        });
    if (n < 0 && done == 0) return posix_result(n);
    const bool more = wants_the_rest(op, n, size - done, flags);
    if (n > 0) done += static_cast<std::size_t>(n);
    if (!more) return static_cast<ssize_t>(done);
  }
}

ssize_t recvmsg(int fd, msghdr* message, int flags, deadline until) {
  operation op(fd, core::io_in, until, detail::blocking_call::io_recvmsg);
  if (op.plain() || never_waits(flags)) return ::recvmsg(fd, message, flags);
  const msghdr asked = *message;
  const std::size_t size = total_size(asked.msg_iov, asked.msg_iovlen);
  ssize_t n = receive(op, size, flags, [&] {
    *message = asked; // a try that failed may have changed the sizes
    return kernel_result(::recvmsg(fd, message, flags | MSG_DONTWAIT));
  });
  if (!wants_the_rest(op, n, size, flags)) return posix_result(n);

  // Control data came with the first part; descriptors that come later end the message.
  part_list rest(asked.msg_iov, asked.msg_iovlen);
  ssize_t done = 0;
  do {
    rest.drop(static_cast<std::size_t>(n));
    done += n;
    if (asked.msg_controllen != 0 && message->msg_controllen != 0) break;
    n = receive(op, rest.size(), flags, [&] {
      msghdr more{};
      more.msg_iov = rest.data();
      more.msg_iovlen = rest.count();
      more.msg_control = asked.msg_control;
      more.msg_controllen = asked.msg_controllen;
      const ssize_t result = kernel_result(::recvmsg(fd, &more, flags | MSG_DONTWAIT));
      if (result < 0) return result;
      message->msg_controllen = more.msg_controllen;
      message->msg_flags = more.msg_flags;
      return result;
    });
  } while (wants_the_rest(op, n, rest.size(), flags));
  return n > 0 ? done + n : done;
}

} // namespace weft::io
