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

constexpr recv_or_send nothing_of_the_kind(std::size_t) noexcept {
  return {};
}

/// Transfers all of `size` bytes unless the user wants no waiting: `attempt(done)` transfers some
/// of what follows the first `done`, `plain(done)` does the same where there is nothing to wait
/// for; `same(done)` is what the attempt does on a socket. What was transferred before an error
/// counts; the error comes again with the next call.
template <class Attempt, class Plain, class Same>
ssize_t send_all(operation& op, std::size_t size, Attempt attempt, Plain plain, Same same) {
  std::size_t done = 0;
  while (true) {
    ssize_t n = op.run([&] { return attempt(done); }, [&] { return same(done); });
    if (n == -EPERM) n = plain(done);
    if (n < 0 && done == 0) return n;
    if (n < 0) return static_cast<ssize_t>(done);
    done += static_cast<std::size_t>(n);
    if (done >= size) [[likely]]
      return static_cast<ssize_t>(done);
    op.transferred_less();
    if (op.user_wants_no_waiting()) return static_cast<ssize_t>(done);
  }
}

ssize_t write_parts(operation& op, const iovec* parts, int count) {
  if (count <= 0 || count > IOV_MAX) return kernel_result(::writev(op.fd(), parts, count));
  part_list rest(parts, static_cast<std::size_t>(count));
  const std::size_t size = rest.size();
  const auto keep_after = [&](std::size_t done) { rest.drop(done - (size - rest.size())); };
  const bool is_simple = count == 1 && !(op.notes() & no_socket);
  const char* const at = static_cast<const char*>(parts->iov_base);
  return send_all(
      op, size,
      [&](std::size_t done) {
        keep_after(done);
        return attempt_write(op, rest.data(), static_cast<int>(rest.count()));
      },
      [&](std::size_t done) {
        keep_after(done);
        return offloaded(
            [&] {
              return kernel_result(::writev(op.fd(), rest.data(), static_cast<int>(rest.count())));
            },
            {});
      },
      [&](std::size_t done) {
        return recv_or_send{core::socket_call::kind::send, is_simple ? at + done : nullptr,
                            size - done, 0};
      });
}

} // namespace

ssize_t write(int fd, const void* data, std::size_t size, deadline until) {
  operation op(fd, core::io_out, until, detail::blocking_call::io_write);
  if (op.plain()) return ::write(fd, data, size);
  const iovec part{const_cast<void*>(data), size};
  return posix_result(write_parts(op, &part, 1));
}

ssize_t writev(int fd, const iovec* parts, int count, deadline until) {
  operation op(fd, core::io_out, until, detail::blocking_call::io_writev);
  if (op.plain()) return ::writev(fd, parts, count);
  return posix_result(write_parts(op, parts, count));
}

ssize_t send(int fd, const void* data, std::size_t size, int flags, deadline until) {
  return sendto(fd, data, size, flags, nullptr, 0, until);
}

ssize_t sendto(int fd, const void* data, std::size_t size, int flags, const sockaddr* to,
               socklen_t to_size, deadline until) {
  operation op(fd, core::io_out, until, detail::blocking_call::io_send);
  if (op.plain() || flags & MSG_DONTWAIT) return ::sendto(fd, data, size, flags, to, to_size);
  const char* at = static_cast<const char*>(data);
  const auto attempt = [&](std::size_t done) {
    return kernel_result(::sendto(fd, at + done, size - done, flags | MSG_DONTWAIT, to, to_size));
  };
  return posix_result(send_all(op, size, attempt, attempt, [&](std::size_t done) {
    const bool is_simple = !to && (flags & ~(MSG_NOSIGNAL | MSG_MORE)) == 0;
    return recv_or_send{core::socket_call::kind::send, is_simple ? at + done : nullptr, size - done,
                        flags};
  }));
}

ssize_t sendmsg(int fd, const msghdr* message, int flags, deadline until) {
  operation op(fd, core::io_out, until, detail::blocking_call::io_sendmsg);
  if (op.plain() || flags & MSG_DONTWAIT || message->msg_iovlen > IOV_MAX)
    return ::sendmsg(fd, message, flags);
  part_list rest(message->msg_iov, message->msg_iovlen);
  msghdr part = *message;
  const std::size_t size = rest.size();
  const auto attempt = [&](std::size_t done) {
    rest.drop(done - (size - rest.size()));
    if (done != 0) { // control data went with the first part
      part.msg_control = nullptr;
      part.msg_controllen = 0;
    }
    part.msg_iov = rest.data();
    part.msg_iovlen = rest.count();
    return kernel_result(::sendmsg(fd, &part, flags | MSG_DONTWAIT));
  };
  return posix_result(send_all(op, size, attempt, attempt, nothing_of_the_kind));
}

} // namespace weft::io
