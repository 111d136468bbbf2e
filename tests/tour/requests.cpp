// SPDX-License-Identifier: BSL-1.0
// What gevent is known for: blocking HTTP requests that overlap, in a program that knows nothing of
// it. The program is requests.c; `weft` runs it, and a server here takes a second for each answer.
#include <string>

#include <weft/weft.hpp>

#include "tests/tour/programs.hpp"

namespace tour {

void requests(const stage& on) {
  weft::run([&] {
    weft::tcp_server server("127.0.0.1", 0, [&](weft::stream& peer) {
      while (const auto line = peer.read_line())
        if (line->empty()) break;
      weft::sleep(on.second);
      peer.write_all("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    server.start();
    const std::string url = "http://" + server.local_address().to_string() + "/";
    on.out << weft::subprocess::run({TOUR_WEFT, TOUR_REQUESTS, url}, {.check = true}).out;
  });
}

} // namespace tour
