// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/with_others.hpp"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "patch/kernel/signals.hpp"

namespace weft::patch {
namespace {

long make_by_itself(file_call& call, const transfer& t) noexcept {
  const int flags = t.flags | MSG_DONTWAIT;
  if (t.what == transfer::kind::receive)
    return try_unlocked(call, SYS_recvfrom, call.fd(), t.data, t.size, flags, nullptr, nullptr);
  return writing(call.caller(), [&] {
    return try_unlocked(call, SYS_sendto, call.fd(), t.data, t.size, flags, nullptr, 0);
  });
}

/// Whether it pays to park for a call that need not wait.
bool is_in_company(file_call& call) noexcept {
  return the_machine().transfers.is_busy() && !call.caller().on->holds->ready.empty() &&
         !call.is_nonblocking();
}

/// As until_done.
long until_transferred(file_call& call, transfer& t) noexcept {
  core::reactor& reactor = the_machine().reactor;
  const core::io_events direction = call.direction();
  for (bool made = false;;) {
    int fd = call.fd();
    std::uint32_t ticket = reactor.ticket(fd);
    long result = -EAGAIN;
    if (!made && reactor.maybe_ready(fd, direction)) {
      made = is_in_company(call);
      if (made)
        call.make_with_others(t);
      else
        result = make_by_itself(call, t);
    } else if (!made && call.is_nonblocking()) {
      return make_by_itself(call, t);
    }
    if (made) {
      fd = t.fd;
      ticket = t.ticket;
      result = t.result;
      // SIGPIPE is this thread's to get: who finds the same by itself does.
      if (result == -EPIPE || result == -EINTR) result = make_by_itself(call, t);
    }
    if (result > 0 && static_cast<std::size_t>(result) < t.size)
      reactor.note_partial(fd, direction, ticket);
    if (result != -EAGAIN || call.is_nonblocking()) {
      if (!made) share_processor(call.caller(), [&] { call.hold(); });
      return result;
    }
    reactor.clear(fd, direction, ticket);
    if (const long ended = call.wait(t)) return ended;
    made = t.is_done();
  }
}

} // namespace

bool may_go_with_others(green& g, int fd, std::size_t size, int flags) noexcept {
  return !g.fiber && !g.bound && size > 0 && size <= transfer::largest &&
         !(flags & ~(MSG_NOSIGNAL | MSG_MORE)) && the_machine().reactor.is_tcp_stream(fd);
}

long receive_with_others(file_call& call, void* data, std::size_t size, int flags) noexcept {
  transfer t;
  t.data = data;
  t.size = size;
  t.flags = flags;
  return until_transferred(call, t);
}

long send_with_others(green& g, int fd, const void* data, std::size_t size, int flags) noexcept {
  file_call call{g, fd, core::io_out, send_timeout};
  transfer t;
  t.what = transfer::kind::send;
  t.flags = flags;
  long sent = 0;
  for (;;) {
    t.data = const_cast<char*>(static_cast<const char*>(data)) + sent;
    t.size = size - static_cast<std::size_t>(sent);
    const long n = until_transferred(call, t);
    if (n < 0) return sent > 0 ? sent : n;
    sent += n;
    if (static_cast<std::size_t>(sent) >= size || call.is_nonblocking()) return sent;
  }
}

} // namespace weft::patch
