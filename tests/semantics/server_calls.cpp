// SPDX-License-Identifier: BSL-1.0
#include "tests/semantics/blocking_calls.hpp"

using weft::detail::blocking_call;

namespace blocking {
namespace {

void keep_for_ever(weft::stream&) {
  weft::sleep(std::chrono::hours(1));
}

struct idle_server {
  weft::tcp_server server{"127.0.0.1", 0, keep_for_ever};
};

/// Has one connection, whose handler never returns by itself.
struct busy_server : idle_server {
  weft::stream client;

  busy_server() {
    server.start();
    client = weft::connect_to(server.local_address());
    while (server.connections() == 0)
      weft::yield();
  }
};

} // namespace

std::vector<variant> server_variants(blocking_call call) {
  switch (call) {
  case blocking_call::server_serve:
    return {{call, "server_serve_forever",
             [] { return in<idle_server>([](auto& s) { s.server.serve_forever(); }, nullptr); },
             false}};
  case blocking_call::server_stop:
    return {{call, "server_stop", [] {
               return in<busy_server>(
                   [](auto& s) { s.server.stop(); },
                   [](auto& s, weft::deadline limit) { return s.server.stop(limit); });
             }}};
  default:
    return {};
  }
}

} // namespace blocking
