// SPDX-License-Identifier: BSL-1.0
// What gevent is known for: blocking HTTP requests that overlap, in a program that knows nothing of
// it: requests.c, run by `weft`. And in one that patches itself: requests_in_fibers.cpp.
#include <string>
#include <vector>

#include <weft/weft.hpp>

#include "tests/tour/programs.hpp"

namespace tour {

namespace {

/// Runs `command` with the address of a server that takes a second for each answer.
void run_against_server(const stage& on, std::vector<std::string> command) {
  weft::run([&] {
    weft::tcp_server server("127.0.0.1", 0, [&](weft::stream& peer) {
      while (const auto line = peer.read_line())
        if (line->empty()) break;
      weft::sleep(on.second);
      peer.write_all("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    server.start();
    command.push_back("http://" + server.local_address().to_string() + "/");
    on.out << weft::subprocess::run(command, {.check = true}).out;
  });
}

} // namespace

void requests(const stage& on) {
  run_against_server(on, {TOUR_WEFT, TOUR_REQUESTS});
}

void requests_in_fibers(const stage& on) {
  run_against_server(on, {TOUR_REQUESTS_IN_FIBERS});
}

} // namespace tour
