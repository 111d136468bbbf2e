// SPDX-License-Identifier: BSL-1.0
//
// Sockets' own calls.
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "patch/calls/blocking.hpp"
#include "patch/calls/connect.hpp"
#include "patch/calls/table.hpp"
#include "patch/calls/vector.hpp"
#include "patch/calls/with_others.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

bool is_stream(int fd) noexcept {
  int type = 0;
  unsigned length = sizeof type;
  return raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
         type == SOCK_STREAM;
}

/// How many bytes a call with these flags waits for, if fewer than `wanted` are there.
std::size_t waited_for(file_call& call, int flags, std::size_t wanted) noexcept {
  if (!(flags & MSG_WAITALL)) return least_to_receive(call, wanted);
  return !call.is_nonblocking() && is_stream(call.fd()) ? wanted : 1;
}

/// `attempt(fd, have)` receives what follows the first `have` bytes. It is done again until all
/// is there that the call waits for, or the end, an error or a signal comes.
template <class Attempt>
long receive_rest(file_call& call, long have, int flags, std::size_t wanted,
                  Attempt&& attempt) noexcept {
  if (have <= 0 || static_cast<std::size_t>(have) >= wanted) return have;
  const std::size_t enough = waited_for(call, flags, wanted);
  while (static_cast<std::size_t>(have) < enough) {
    const auto so_far = static_cast<std::size_t>(have);
    const long n = until_done(call, wanted - so_far, [&](int fd) { return attempt(fd, so_far); });
    if (n <= 0) break;
    have += n;
  }
  return have;
}
template <class Attempt>
long receive(file_call& call, int flags, std::size_t wanted, Attempt&& attempt) noexcept {
  const long have = until_done(call, wanted, [&](int fd) { return attempt(fd, std::size_t{0}); });
  return receive_rest(call, have, flags, wanted, attempt);
}

/// Whether nothing more will come than is there.
bool has_ended(int fd) noexcept {
  pollfd p{fd, POLLRDHUP, 0};
  return raw_syscall(SYS_poll, &p, 1, 0) != 0;
}

/// MSG_PEEK leaves what it got where it was, and from SO_PEEK_OFF on may get nothing though
/// something is there. That it has to wait says nothing about other reads.
template <class Attempt>
long peek(file_call& call, int flags, std::size_t wanted, Attempt&& attempt) noexcept {
  for (;;) {
    const long have = attempt(call.fd());
    if (have != -EAGAIN) {
      if (have <= 0 || static_cast<std::size_t>(have) >= wanted) return have;
      if (static_cast<std::size_t>(have) >= waited_for(call, flags, wanted)) return have;
      if (has_ended(call.fd())) return have;
    } else if (call.is_nonblocking()) {
      return have;
    }
    if (const long ended = call.wait_for_more()) return have > 0 ? have : ended;
  }
}

/// Flags that leave nothing to wait for: an urgent byte is there or is not.
bool waits_for_nothing(int flags) noexcept {
  return flags & (MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB);
}

long on_recvfrom(green& g, syscall_frame& f) noexcept {
  const int flags = number(f.r10);
  if (waits_for_nothing(flags)) return pass_to_kernel;
  file_call call{g, number(f.rdi), core::io_in, receive_timeout};
  const int now = (flags & ~MSG_WAITALL) | MSG_DONTWAIT;
  if (flags & MSG_PEEK) {
    return peek(call, flags, f.rdx, [&](int fd) {
      return raw_syscall(SYS_recvfrom, fd, f.rsi, f.rdx, now, f.r8, f.r9);
    });
  }
  const auto attempt = [&](int fd, std::size_t have) {
    return try_unlocked(call, SYS_recvfrom, fd, f.rsi + have, f.rdx - have, now, f.r8, f.r9);
  };
  const int kind = flags & ~MSG_WAITALL;
  if (!f.r8 && goes_with_others(g, call.fd(), f.rdx, kind)) [[unlikely]] {
    const long have = receive_with_others(call, pointer<void>(f.rsi), f.rdx, kind);
    return receive_rest(call, have, flags, f.rdx, attempt);
  }
  return receive(call, flags, f.rdx, attempt);
}

/// SCM_RIGHTS: numbers that the kernel has just made.
void note_received(const msghdr& message) noexcept {
  if (!message.msg_control || message.msg_controllen < sizeof(cmsghdr)) return;
  const auto* header = static_cast<const char*>(message.msg_control);
  const char* const end = header + message.msg_controllen;
  cmsghdr c;
  while (end - header >= static_cast<long>(sizeof c) && copy_from_user(&c, header, sizeof c)) {
    if (c.cmsg_len < sizeof(cmsghdr) || c.cmsg_len > static_cast<std::size_t>(end - header)) return;
    if (c.cmsg_level == SOL_SOCKET && c.cmsg_type == SCM_RIGHTS) {
      const auto* fds = reinterpret_cast<const int*>(header + CMSG_LEN(0));
      int fd;
      for (std::size_t i = 0; i < (c.cmsg_len - CMSG_LEN(0)) / sizeof fd; ++i)
        if (get_user(fd, fds + i)) just_made(fd);
    }
    header += CMSG_ALIGN(c.cmsg_len);
  }
}

/// Writes back what the kernel wrote into the copy: of `name` the length, and of control.
bool tell_received(msghdr* to, const msghdr& message) noexcept {
  return put_user(&to->msg_namelen, message.msg_namelen) &&
         put_user(&to->msg_controllen, message.msg_controllen) &&
         put_user(&to->msg_flags, message.msg_flags);
}

long on_recvmsg(green& g, syscall_frame& f) noexcept {
  auto* const where = pointer<msghdr>(f.rsi);
  msghdr message;
  if (!get_user(message, where) || message.msg_iovlen > IOV_MAX)
    return pass_to_kernel; // whose error it is
  const int flags = number(f.rdx);
  const auto received = [&](long result) -> long {
    if (result < 0) return result;
    note_received(message);
    return tell_received(where, message) ? result : -EFAULT;
  };
  if (waits_for_nothing(flags)) return received(raw_syscall(SYS_recvmsg, f.rdi, &message, flags));
  file_call call{g, number(f.rdi), core::io_in, receive_timeout};
  const int now = (flags & ~MSG_WAITALL) | MSG_DONTWAIT;
  // The lengths of name and control are in and out: each try starts with the program's.
  const auto name_length = message.msg_namelen;
  const auto control_length = message.msg_controllen;
  const vector_rest all{message.msg_iov, message.msg_iovlen};
  const std::size_t wanted = all.bytes();
  const auto from_the_start = [&] {
    message.msg_namelen = name_length;
    message.msg_controllen = control_length;
    return &message;
  };
  long result;
  if (flags & MSG_PEEK) {
    result = peek(call, flags, wanted,
                  [&](int fd) { return raw_syscall(SYS_recvmsg, fd, from_the_start(), now); });
  } else {
    result = receive(call, flags, wanted, [&](int fd, std::size_t have) -> long {
      if (have == 0) return try_unlocked(call, SYS_recvmsg, fd, from_the_start(), now);
      // What comes with a control message ends it, as in the kernel.
      if (message.msg_controllen) return 0;
      vector_rest rest = all;
      rest.advance(have);
      iovec window[vector_rest::window];
      msghdr part{};
      part.msg_iov = window;
      part.msg_iovlen = static_cast<std::size_t>(rest.next(window));
      return try_unlocked(call, SYS_recvmsg, fd, &part, now);
    });
  }
  return received(result);
}

/// A blocking send on a stream goes on until all is sent.
template <class Attempt>
long send_all(green& g, int fd, std::size_t wanted, int flags, Attempt&& attempt) noexcept {
  std::size_t sent = 0;
  file_call call{g, fd, core::io_out, send_timeout};
  if (flags & MSG_DONTWAIT) return writing(g, [&] { return attempt(call, sent); });
  for (;;) {
    const long n = until_done(call, wanted - sent,
                              [&](int) { return writing(g, [&] { return attempt(call, sent); }); });
    if (n < 0) return sent > 0 ? static_cast<long>(sent) : n;
    sent += static_cast<std::size_t>(n);
    if (sent >= wanted || call.is_nonblocking()) return static_cast<long>(sent);
  }
}

/// A socket of AF_UNIX that sends to somebody else than whom it is connected to is never told
/// that there is room again: the kernel itself has to wait for that.
bool waits_for_another(int fd, const void* receiver, int flags) noexcept {
  int domain = 0;
  unsigned length = sizeof domain;
  return receiver && !(flags & MSG_DONTWAIT) &&
         raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 &&
         domain == AF_UNIX && !is_nonblocking(fd);
}

long on_sendto(green& g, syscall_frame& f) noexcept {
  const int flags = number(f.r10);
  if (flags & MSG_FASTOPEN) return pass_to_kernel; // it connects, and hence waits
  if (!f.r8 && goes_with_others(g, number(f.rdi), f.rdx, flags)) [[unlikely]]
    return send_with_others(g, number(f.rdi), pointer<void>(f.rsi), f.rdx, flags);
  return send_all(g, number(f.rdi), f.rdx, flags, [&](file_call& call, std::size_t sent) -> long {
    const int fd = call.fd();
    const long n = try_unlocked(call, SYS_sendto, fd, f.rsi + sent, f.rdx - sent,
                                flags | MSG_DONTWAIT, f.r8, f.r9);
    return n == -EAGAIN && waits_for_another(fd, pointer<void>(f.r8), flags) ? pass_to_kernel : n;
  });
}

long on_sendmsg(green& g, syscall_frame& f) noexcept {
  msghdr message;
  if (!get_user(message, pointer<msghdr>(f.rsi))) return pass_to_kernel;
  if (message.msg_iovlen > IOV_MAX) return -EMSGSIZE;
  const int asked = number(f.rdx);
  if (asked & MSG_FASTOPEN) return pass_to_kernel;
  const int flags = asked | MSG_DONTWAIT;
  vector_rest rest{message.msg_iov, message.msg_iovlen};
  return send_all(
      g, number(f.rdi), rest.bytes(), asked, [&](file_call& call, std::size_t sent) -> long {
        const int fd = call.fd();
        if (sent == 0) {
          const long n = try_unlocked(call, SYS_sendmsg, fd, &message, flags);
          return n == -EAGAIN && waits_for_another(fd, message.msg_name, asked) ? pass_to_kernel
                                                                                : n;
        }
        // Control messages went with the first part.
        vector_rest left{message.msg_iov, message.msg_iovlen};
        left.advance(sent);
        iovec window[vector_rest::window];
        msghdr part{};
        part.msg_iov = window;
        part.msg_iovlen = static_cast<std::size_t>(left.next(window));
        return try_unlocked(call, SYS_sendmsg, fd, &part, flags);
      });
}

/// recvmmsg: waits for each message, or with MSG_WAITFORONE for the first. Its own time-out is
/// looked at only between messages, as in the kernel.
long on_recvmmsg(green& g, syscall_frame& f) noexcept {
  const int flags = number(f.r10);
  if (waits_for_nothing(flags)) return pass_to_kernel;
  auto* messages = pointer<mmsghdr>(f.rsi);
  const auto count = static_cast<unsigned>(f.rdx);
  auto* time = pointer<timespec>(f.r8);
  core::nanoseconds until = core::never;
  if (time) {
    const core::nanoseconds span = span_of(time);
    if (span < 0) return span;
    until = core::deadline_after(core::monotonic_now(), span);
  }
  file_call call{g, number(f.rdi), core::io_in, receive_timeout};
  const int now = (flags & ~MSG_WAITFORONE) | MSG_DONTWAIT;
  unsigned have = 0;
  long n = 0;
  while (have < count) {
    const auto attempt = [&](int fd) {
      // With a time-out one at a time: it ends the call after any of them.
      const unsigned most = time ? 1 : count - have;
      return raw_syscall(SYS_recvmmsg, fd, messages + have, most, now, nullptr);
    };
    n = have > 0 && (flags & MSG_WAITFORONE) ? attempt(call.fd()) : until_done(call, 0, attempt);
    if (n < 0) break;
    msghdr message;
    for (long i = 0; i < n; ++i)
      if (get_user(message, &messages[have + static_cast<unsigned>(i)].msg_hdr))
        note_received(message);
    have += static_cast<unsigned>(n);
    if (n == 0 || call.is_nonblocking() || (time && core::monotonic_now() >= until)) break;
  }
  if (have == 0) return n;
  if (time && until != core::never) (void)put_user(time, time_left(until));
  return have;
}

long on_sendmmsg(green& g, syscall_frame& f) noexcept {
  auto* messages = pointer<mmsghdr>(f.rsi);
  const auto count = static_cast<unsigned>(f.rdx);
  open_file file{number(f.rdi)};
  file.hold();
  unsigned sent = 0;
  while (sent < count) {
    syscall_frame one = f;
    one.rdi = static_cast<std::uint64_t>(file.fd());
    one.rsi = reinterpret_cast<std::uint64_t>(&messages[sent].msg_hdr);
    one.rdx = f.r10;
    long n = on_sendmsg(g, one);
    if (n == pass_to_kernel) {
      // Only the first may be left to the kernel, with all that follow.
      if (sent == 0) return n;
      n = -EAGAIN;
    }
    if (n >= 0 && !put_user(&messages[sent].msg_len, static_cast<unsigned>(n))) n = -EFAULT;
    if (n < 0) return sent > 0 ? static_cast<long>(sent) : n;
    ++sent;
  }
  return sent;
}

long accept_on(green& g, const syscall_frame& f, int flags) noexcept {
  // Connections queue up in the kernel, at most a listen backlog of them, and whoever is
  // turned away tries again a second later: who takes them goes before all others.
  g.urgent = true;
  const long made =
      accept_parked(g, number(f.rdi), pointer<sockaddr>(f.rsi), pointer<unsigned>(f.rdx), flags);
  g.urgent = false;
  if (made >= 0) socket_just_made(static_cast<int>(made), flags, number(f.rdi));
  return made;
}

long on_accept(green& g, syscall_frame& f) noexcept {
  return accept_on(g, f, 0);
}
long on_accept4(green& g, syscall_frame& f) noexcept {
  return accept_on(g, f, number(f.r10));
}

long on_connect(green& g, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  if (is_nonblocking(fd)) return pass_to_kernel;
  // The other end may be here: let it hear of this one before the next thread connects.
  look_for_events(g);
  return connect_parked(g, fd, pointer<sockaddr>(f.rsi), static_cast<unsigned>(f.rdx));
}

constexpr call_entry entries[] = {
    {SYS_recvfrom, virtual_when::active, on_recvfrom},
    {SYS_recvmsg, virtual_when::active, on_recvmsg},
    {SYS_recvmmsg, virtual_when::active, on_recvmmsg},
    {SYS_sendto, virtual_when::active, on_sendto},
    {SYS_sendmsg, virtual_when::active, on_sendmsg},
    {SYS_sendmmsg, virtual_when::active, on_sendmmsg},
    {SYS_accept, virtual_when::active, on_accept},
    {SYS_accept4, virtual_when::active, on_accept4},
    {SYS_connect, virtual_when::active, on_connect},
};

} // namespace

const call_family socket_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch
