// SPDX-License-Identifier: BSL-1.0
//
// Sockets' own calls.
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "patch/calls/blocking.hpp"
#include "patch/calls/connect.hpp"
#include "patch/calls/table.hpp"
#include "patch/calls/vector.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

/// The call itself with other flags, in whichever register they are.
template <class... A>
auto calling(long nr, A... arguments) noexcept {
  return [=](int fd) { return raw_syscall(nr, fd, arguments...); };
}

/// MSG_WAITALL on a stream: until all is there, or the end, an error or a signal comes.
template <class Attempt>
long until_all(green& g, int fd, std::size_t wanted, Attempt&& attempt) noexcept {
  std::size_t have = 0;
  for (;;) {
    const long n = until_done(g, fd, core::io_in, wanted - have, receive_timeout,
                              [&](int now) { return attempt(now, have); });
    if (n <= 0) return have > 0 ? static_cast<long>(have) : n;
    have += static_cast<std::size_t>(n);
    if (have >= wanted || is_nonblocking(fd)) return static_cast<long>(have);
  }
}

bool is_stream(int fd) noexcept {
  int type = 0;
  unsigned length = sizeof type;
  return raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
         type == SOCK_STREAM;
}

/// Flags that leave nothing to wait for: an urgent byte is there or is not.
bool waits_for_nothing(int flags) noexcept {
  return flags & (MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB);
}

long on_recvfrom(green& g, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  const int flags = number(f.r10);
  if (waits_for_nothing(flags)) return pass_to_kernel;
  const int now = (flags & ~MSG_WAITALL) | MSG_DONTWAIT;
  if ((flags & MSG_WAITALL) && !(flags & MSG_PEEK) && f.rdx > 0 && is_stream(fd)) {
    return until_all(g, fd, f.rdx, [&](int open, std::size_t have) {
      return raw_syscall(SYS_recvfrom, open, f.rsi + have, f.rdx - have, now, f.r8, f.r9);
    });
  }
  // What a peek leaves behind says nothing about the next read.
  const std::size_t whole = flags & MSG_PEEK ? 0 : f.rdx;
  return until_done(g, fd, core::io_in, whole, receive_timeout,
                    calling(SYS_recvfrom, f.rsi, f.rdx, now, f.r8, f.r9));
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
  const int fd = number(f.rdi);
  msghdr message;
  if (!get_user(message, pointer<msghdr>(f.rsi)) || message.msg_iovlen > IOV_MAX)
    return pass_to_kernel; // whose error it is
  const int flags = number(f.rdx);
  const int now = (flags & ~MSG_WAITALL) | MSG_DONTWAIT;
  long result;
  if (waits_for_nothing(flags)) {
    result = raw_syscall(SYS_recvmsg, fd, &message, flags);
  } else {
    // The lengths of name and control are in and out: each try starts with the program's.
    const auto name_length = message.msg_namelen;
    const auto control_length = message.msg_controllen;
    const vector_rest all{message.msg_iov, message.msg_iovlen};
    const std::size_t wanted = flags & MSG_PEEK ? 0 : all.bytes();
    result = until_done(g, fd, core::io_in, wanted, receive_timeout, [&](int open) {
      message.msg_namelen = name_length;
      message.msg_controllen = control_length;
      return raw_syscall(SYS_recvmsg, open, &message, now);
    });
    // The rest of MSG_WAITALL; what comes with a control message ends it, as in the kernel.
    if ((flags & MSG_WAITALL) && !(flags & MSG_PEEK) && result > 0 && !message.msg_controllen &&
        static_cast<std::size_t>(result) < wanted && !is_nonblocking(fd) && is_stream(fd)) {
      vector_rest rest = all;
      rest.advance(static_cast<std::size_t>(result));
      while (!rest.empty()) {
        iovec window[vector_rest::window];
        msghdr part{};
        part.msg_iov = window;
        part.msg_iovlen = static_cast<std::size_t>(rest.next(window));
        const long n = until_done(g, fd, core::io_in, rest.bytes(), receive_timeout,
                                  calling(SYS_recvmsg, &part, now));
        if (n <= 0) break;
        result += n;
        rest.advance(static_cast<std::size_t>(n));
      }
    }
  }
  if (result < 0) return result;
  note_received(message);
  return tell_received(pointer<msghdr>(f.rsi), message) ? result : -EFAULT;
}

/// A blocking send on a stream goes on until all is sent.
template <class Attempt>
long send_all(green& g, int fd, std::size_t wanted, int flags, Attempt&& attempt) noexcept {
  std::size_t sent = 0;
  if (flags & MSG_DONTWAIT) return writing(g, [&] { return attempt(fd, sent); });
  for (;;) {
    const long n = until_done(g, fd, core::io_out, wanted - sent, send_timeout, [&](int now) {
      return writing(g, [&] { return attempt(now, sent); });
    });
    if (n < 0) return sent > 0 ? static_cast<long>(sent) : n;
    sent += static_cast<std::size_t>(n);
    if (sent >= wanted || is_nonblocking(fd)) return static_cast<long>(sent);
  }
}

long on_sendto(green& g, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  const int flags = number(f.r10);
  return send_all(g, fd, f.rdx, flags, [&](int open, std::size_t sent) {
    return raw_syscall(SYS_sendto, open, f.rsi + sent, f.rdx - sent, flags | MSG_DONTWAIT, f.r8,
                       f.r9);
  });
}

long on_sendmsg(green& g, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  msghdr message;
  if (!get_user(message, pointer<msghdr>(f.rsi))) return pass_to_kernel;
  if (message.msg_iovlen > IOV_MAX) return -EMSGSIZE;
  const int asked = number(f.rdx);
  const int flags = asked | MSG_DONTWAIT;
  vector_rest rest{message.msg_iov, message.msg_iovlen};
  return send_all(g, fd, rest.bytes(), asked, [&](int open, std::size_t sent) -> long {
    if (sent == 0) return raw_syscall(SYS_sendmsg, open, &message, flags);
    // Control messages went with the first part.
    vector_rest left{message.msg_iov, message.msg_iovlen};
    left.advance(sent);
    iovec window[vector_rest::window];
    msghdr part{};
    part.msg_iov = window;
    part.msg_iovlen = static_cast<std::size_t>(left.next(window));
    return raw_syscall(SYS_sendmsg, open, &part, flags);
  });
}

/// recvmmsg: waits for the first message, then takes what is there. Its own time-out is
/// looked at only between messages, as in the kernel; MSG_WAITFORONE is thereby implied.
long on_recvmmsg(green& g, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  const int flags = number(f.r10);
  if (waits_for_nothing(flags)) return pass_to_kernel;
  auto* messages = pointer<mmsghdr>(f.rsi);
  const auto count = static_cast<unsigned>(f.rdx);
  core::nanoseconds until = core::never;
  if (f.r8) {
    const core::nanoseconds span = span_of(pointer<timespec>(f.r8));
    if (span < 0) return span;
    until = call_deadline(g, span);
  }
  unsigned have = 0;
  while (have < count) {
    const int now = (flags & ~MSG_WAITFORONE) | MSG_DONTWAIT;
    long n = -EAGAIN;
    if (have > 0 && (flags & MSG_WAITFORONE))
      n = raw_syscall(SYS_recvmmsg, fd, messages + have, count - have, now, nullptr);
    else
      n = until_done(g, fd, core::io_in, 0, receive_timeout,
                     calling(SYS_recvmmsg, messages + have, count - have, now, nullptr));
    if (n < 0) return have > 0 ? static_cast<long>(have) : n;
    msghdr message;
    for (long i = 0; i < n; ++i)
      if (get_user(message, &messages[have + static_cast<unsigned>(i)].msg_hdr))
        note_received(message);
    have += static_cast<unsigned>(n);
    if (n == 0 || is_nonblocking(fd) || (until != core::never && core::monotonic_now() >= until))
      break;
  }
  return have;
}

long on_sendmmsg(green& g, syscall_frame& f) noexcept {
  auto* messages = pointer<mmsghdr>(f.rsi);
  const auto count = static_cast<unsigned>(f.rdx);
  unsigned sent = 0;
  while (sent < count) {
    syscall_frame one = f;
    one.rsi = reinterpret_cast<std::uint64_t>(&messages[sent].msg_hdr);
    one.rdx = f.r10;
    long n = on_sendmsg(g, one);
    if (n == pass_to_kernel) n = raw_syscall(SYS_sendmsg, f.rdi, one.rsi, one.rdx);
    if (n >= 0 && !put_user(&messages[sent].msg_len, static_cast<unsigned>(n))) n = -EFAULT;
    if (n < 0) return sent > 0 ? static_cast<long>(sent) : n;
    ++sent;
  }
  return sent;
}

/// Of everything else accept knows at once that it is wrong.
bool is_listening(int fd) noexcept {
  int listening = 0;
  unsigned length = sizeof listening;
  return raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 &&
         listening;
}

/// accept knows no flag for not waiting, so it is asked whether it would. Among the green
/// threads of one worker nothing comes between the answer and the call.
long accept_on(green& g, const syscall_frame& f, int flags) noexcept {
  const int fd = number(f.rdi);
  // Connections queue up in the kernel, at most a listen backlog of them, and whoever is
  // turned away tries again a second later: who takes them goes before all others.
  g.urgent = true;
  const long made = until_done(g, fd, core::io_in, 0, receive_timeout, [&](int open) -> long {
    if (!is_nonblocking(open) && !ready_now(open, core::io_in) && is_listening(open))
      return -EAGAIN;
    return raw_syscall(SYS_accept4, open, f.rsi, f.rdx, flags);
  });
  g.urgent = false;
  if (made >= 0) just_made(static_cast<int>(made));
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
