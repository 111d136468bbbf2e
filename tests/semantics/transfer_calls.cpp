// SPDX-License-Identifier: BSL-1.0
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "tests/semantics/blocking_calls.hpp"

using weft::detail::blocking_call;

namespace blocking {
namespace {

/// Two connected sockets, from which nothing comes and into which nothing more goes.
struct silent_pair {
  int ends[2];
  char buffer[64] = {};
  iovec part{buffer, sizeof buffer};
  msghdr message{};

  silent_pair() {
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) throw std::runtime_error("socketpair");
    while (::send(ends[0], buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
    message.msg_iov = &part;
    message.msg_iovlen = 1;
  }
  silent_pair(const silent_pair&) = delete;
  silent_pair& operator=(const silent_pair&) = delete;
  ~silent_pair() {
    weft::io::close(ends[0]);
    weft::io::close(ends[1]);
  }
  [[nodiscard]] int full() const { return ends[0]; }
  // The other direction: nobody wrote to it.
  [[nodiscard]] int empty() const { return ends[0]; }
};

bool in_time(ssize_t result) {
  if (result < 0 && errno == ETIMEDOUT) return false;
  if (result < 0) throw std::runtime_error(std::strerror(errno));
  return true;
}

/// `transfer(world, limit)` gives what the POSIX call does.
template <class Transfer>
std::vector<variant> one(blocking_call call, const char* name, Transfer transfer) {
  return {{call, name, [transfer] {
             return in<silent_pair>(
                 [transfer](silent_pair& p) { in_time(transfer(p, weft::deadline::never())); },
                 [transfer](silent_pair& p, weft::deadline limit) {
                   return in_time(transfer(p, limit));
                 });
           }}};
}

} // namespace

std::vector<variant> transfer_variants(blocking_call call) {
  namespace io = weft::io;
  switch (call) {
  case blocking_call::io_read:
    return one(call, "read", [](silent_pair& p, weft::deadline limit) {
      return io::read(p.empty(), p.buffer, sizeof p.buffer, limit);
    });
  case blocking_call::io_readv:
    return one(call, "readv", [](silent_pair& p, weft::deadline limit) {
      return io::readv(p.empty(), &p.part, 1, limit);
    });
  case blocking_call::io_recv:
    return one(call, "recv", [](silent_pair& p, weft::deadline limit) {
      return io::recv(p.empty(), p.buffer, sizeof p.buffer, 0, limit);
    });
  case blocking_call::io_recvfrom:
    return one(call, "recvfrom", [](silent_pair& p, weft::deadline limit) {
      return io::recvfrom(p.empty(), p.buffer, sizeof p.buffer, 0, nullptr, nullptr, limit);
    });
  case blocking_call::io_recvmsg:
    return one(call, "recvmsg", [](silent_pair& p, weft::deadline limit) {
      return io::recvmsg(p.empty(), &p.message, 0, limit);
    });
  case blocking_call::io_write:
    return one(call, "write", [](silent_pair& p, weft::deadline limit) {
      return io::write(p.full(), p.buffer, sizeof p.buffer, limit);
    });
  case blocking_call::io_writev:
    return one(call, "writev", [](silent_pair& p, weft::deadline limit) {
      return io::writev(p.full(), &p.part, 1, limit);
    });
  case blocking_call::io_send:
    return one(call, "send", [](silent_pair& p, weft::deadline limit) {
      return io::send(p.full(), p.buffer, sizeof p.buffer, 0, limit);
    });
  case blocking_call::io_sendto:
    return one(call, "sendto", [](silent_pair& p, weft::deadline limit) {
      return io::sendto(p.full(), p.buffer, sizeof p.buffer, 0, nullptr, 0, limit);
    });
  case blocking_call::io_sendmsg:
    return one(call, "sendmsg", [](silent_pair& p, weft::deadline limit) {
      return io::sendmsg(p.full(), &p.message, 0, limit);
    });
  default:
    return {};
  }
}

} // namespace blocking
