// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/resource.h>

#include "tests/io/fibers.hpp"
#include "tests/net/errors.hpp"
#include "tests/net/reports.hpp"
#include "weft/connect.hpp"
#include "weft/tcp_server.hpp"

namespace weft::test {

/// Echoes lines.
inline void echo_lines(stream& peer) {
  while (auto line = peer.read_line())
    peer.write_all(*line + "\n");
}

/// Lives until it is cancelled.
inline void linger(stream&) {
  sleep(1h);
}

inline stream connect_to(const tcp_server& server) {
  return weft::connect_to(server.local_address(), {.timeout = 20s});
}

/// Yields until `f()`, for some seconds at most.
template <class F>
bool soon(F f) {
  const auto end = clock::now() + 20s;
  while (!f() && clock::now() < end)
    sleep(200us);
  return f();
}

/// Lets this process have no more descriptors than it has now.
class no_more_descriptors {
 public:
  no_more_descriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const owned_fd next{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    const rlimit now{static_cast<rlim_t>(int{next}), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  no_more_descriptors(const no_more_descriptors&) = delete;
  no_more_descriptors& operator=(const no_more_descriptors&) = delete;
  ~no_more_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

} // namespace weft::test
