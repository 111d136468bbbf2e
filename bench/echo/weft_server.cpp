// SPDX-License-Identifier: BSL-1.0
#include <sys/socket.h>

#include <cstdio>
#include <weft/weft.hpp>

#include "bench/echo/listener.hpp"

int main(int argc, char** argv) {
  weft::run([&] {
    weft::tcp_server server("127.0.0.1", echo::port_argument(argc, argv),
                            [](weft::stream& peer) {
                              char buffer[4096];
                              while (const std::size_t size = peer.read_some(buffer))
                                peer.write_all({buffer, size});
                            },
                            {.backlog = 4096});
    echo::announce(server.local_address().port());
    server.serve_forever();
  });
}
