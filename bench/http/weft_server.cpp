// SPDX-License-Identifier: BSL-1.0
#include <weft/weft.hpp>

#include <system_error>

#include "bench/echo/listener.hpp"
#include "bench/http/answer.h"

int main(int argc, char** argv) {
  weft::run([&] {
    weft::tcp_server server("127.0.0.1", echo::port_argument(argc, argv),
                            [](weft::stream& peer) {
                              try {
                                while (peer.read_until(END_OF_HEAD).starts_with("GET "))
                                  peer.write_all(ANSWER);
                              } catch (const weft::end_of_stream&) {
                              } catch (const std::system_error& e) {
                                // wrk leaves while answers are under way.
                                if (e.code() != std::errc::connection_reset &&
                                    e.code() != std::errc::broken_pipe)
                                  throw;
                              }
                            },
                            {.backlog = 4096});
    echo::announce(server.local_address().port());
    server.serve_forever();
  });
}
