// SPDX-License-Identifier: BSL-1.0
//
// A thread for each connection, and blocking calls. It knows nothing of weft.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <thread>

#include "bench/echo/listener.hpp"
#include "bench/http/answer.h"

namespace {

bool send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    data.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void serve(int fd) {
  char buffer[8192];
  std::size_t held = 0;
  while (held < sizeof buffer) {
    const ssize_t received = recv(fd, buffer + held, sizeof buffer - held, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) break;
    held += static_cast<std::size_t>(received);
    std::string_view came(buffer, held);
    for (std::size_t end; (end = came.find(END_OF_HEAD)) != std::string_view::npos;) {
      if (!came.starts_with("GET ") || !send_all(fd, ANSWER)) {
        close(fd);
        return;
      }
      came.remove_prefix(end + 4);
    }
    std::memmove(buffer, came.data(), came.size());
    held = came.size();
  }
  close(fd);
}

} // namespace

int main(int argc, char** argv) {
  const int listener = echo::listen_on_loopback(echo::port_argument(argc, argv), 0);
  while (true) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0)
      std::thread(serve, fd).detach();
    else if (errno != EINTR && errno != ECONNABORTED)
      echo::die("accept4");
  }
}
