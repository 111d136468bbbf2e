// SPDX-License-Identifier: BSL-1.0
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "tests/semantics/blocking_calls.hpp"

using weft::detail::blocking_call;

namespace blocking {
namespace {

int checked(int result) {
  if (result < 0) throw std::runtime_error(std::strerror(errno));
  return result;
}

bool in_time(int result) {
  if (result < 0 && errno == ETIMEDOUT) return false;
  checked(result);
  return true;
}

/// A listener on the loopback to which nobody connects.
struct listener {
  explicit listener(int backlog = 1) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    checked(::bind(fd, generic(), size));
    checked(::listen(fd, backlog));
    checked(::getsockname(fd, generic(), &size));
  }
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;
  ~listener() { weft::io::close(fd); }
  sockaddr* generic() { return reinterpret_cast<sockaddr*>(&address); }

  int fd = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
};

/// One that answers no more, because its queue is full.
struct full_listener : listener {
  full_listener() : listener(0) {
    for (int i = 0; i < 3; ++i) {
      queue.push_back(checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
      ::connect(queue.back(), generic(), sizeof address);
    }
  }
  ~full_listener() {
    for (const int one : queue)
      weft::io::close(one);
  }
  std::vector<int> queue;

  bool connect(weft::deadline limit) {
    const int one = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    queue.push_back(one);
    return in_time(weft::io::connect(one, generic(), sizeof address, limit));
  }
};

/// Nothing is ever ready.
struct quiet : listener {
  ~quiet() { ::close(epoll); }
  int epoll = checked(::epoll_create1(EPOLL_CLOEXEC));

  bool poll(weft::deadline limit) {
    pollfd one{fd, POLLIN, 0};
    return checked(weft::io::poll(&one, 1, limit)) != 0;
  }
  bool select(weft::deadline limit) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return checked(weft::io::select(fd + 1, &set, nullptr, nullptr, limit)) != 0;
  }
  bool epoll_wait(weft::deadline limit) {
    epoll_event event{};
    return checked(weft::io::epoll_wait(epoll, &event, 1, limit)) != 0;
  }
};

struct caught {
  weft::signal_set signals{SIGUSR2};
};

/// A child that ends when this does.
struct endless_child {
  weft::subprocess child{{"sleep", "3600"}};
  bool wait(weft::deadline limit) { return child.wait(limit).has_value(); }
};

template <class World, class Call>
std::vector<variant> one(blocking_call call, const char* name, Call of) {
  return {{call, name, [of] {
             return in<World>([of](World& w) { (w.*of)(weft::deadline::never()); },
                              [of](World& w, weft::deadline limit) { return (w.*of)(limit); });
           }}};
}

} // namespace

std::vector<variant> system_variants(blocking_call call) {
  switch (call) {
  case blocking_call::io_accept:
    return {{call, "accept", [] {
               return in<listener>(
                   [](listener& l) { in_time(weft::io::accept(l.fd, nullptr, nullptr)); },
                   [](listener& l, weft::deadline limit) {
                     return in_time(weft::io::accept4(l.fd, nullptr, nullptr, 0, limit));
                   });
             }}};
  case blocking_call::io_connect:
    return one<full_listener>(call, "connect", &full_listener::connect);
  case blocking_call::io_poll:
    return one<quiet>(call, "poll", &quiet::poll);
  case blocking_call::io_select:
    return one<quiet>(call, "io_select", &quiet::select);
  case blocking_call::io_epoll_wait:
    return one<quiet>(call, "epoll_wait", &quiet::epoll_wait);
  case blocking_call::signal_wait:
    return {{call, "signal_set_wait",
             [] {
               return in<caught>([](caught& c) { c.signals.wait(); },
                                 [](caught& c, weft::deadline limit) {
                                   return c.signals.wait(limit).has_value();
                                 });
             }},
            {call, "wait_signal", [] {
               return in<nothing>([](nothing&) { weft::wait_signal({SIGUSR2}); },
                                  [](nothing&, weft::deadline limit) {
                                    return weft::wait_signal({SIGUSR2}, limit).has_value();
                                  });
             }}};
  case blocking_call::process_wait:
    return one<endless_child>(call, "subprocess_wait", &endless_child::wait);
  default:
    return {};
  }
}

} // namespace blocking
