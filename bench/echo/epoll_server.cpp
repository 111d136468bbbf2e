// SPDX-License-Identifier: BSL-1.0
//
// The least that an echo takes on epoll, for the others to be measured by: a connection is
// registered once, edge-triggered, and a request is one read and one write. A read that got less
// than there was room for has emptied the socket (epoll(7), question 9), so that nothing is read
// only to hear EAGAIN.
//
//   epoll_server [PORT [each]]
//
// All connections share one buffer, which an echo can do since it keeps nothing of a request; with
// "each" every connection has its own, as in servers that have something to remember.
#include <sys/epoll.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bench/echo/listener.hpp"

namespace {

constexpr std::size_t buffer_size = 4096;

int epoll = -1;
int listener = -1;
bool a_buffer_each = false;
std::vector<std::unique_ptr<char[]>> buffers; // by descriptor, or only one
// What a peer did not take in time, for the connections that have any.
std::unordered_map<int, std::string> unsent;

void watch(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) echo::die("epoll_ctl");
}

char* buffer_of(int fd) {
  const std::size_t at = a_buffer_each ? static_cast<std::size_t>(fd) : 0;
  if (at >= buffers.size()) buffers.resize(at + 1);
  if (!buffers[at]) buffers[at] = std::make_unique<char[]>(buffer_size);
  return buffers[at].get();
}

void accept_all() {
  while (true) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
      watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    else if (errno == EAGAIN)
      return;
    else if (errno != EINTR && errno != ECONNABORTED)
      echo::die("accept4");
  }
}

void drop(int fd) {
  unsent.erase(fd);
  close(fd);
}

/// How much of it was sent before the peer's window was full; -1 if the connection has failed.
ssize_t send_what_fits(int fd, const char* data, std::size_t size) {
  const ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
  return sent < 0 && errno == EAGAIN ? 0 : sent;
}

void echo_all(int fd) {
  char* const buffer = buffer_of(fd);
  if (!unsent.empty()) {
    if (const auto rest = unsent.find(fd); rest != unsent.end()) {
      const ssize_t sent = send_what_fits(fd, rest->second.data(), rest->second.size());
      if (sent < 0) return drop(fd);
      rest->second.erase(0, static_cast<std::size_t>(sent));
      if (!rest->second.empty()) return; // nothing more is read meanwhile
      unsent.erase(rest);
    }
  }
  while (true) {
    const ssize_t received = recv(fd, buffer, buffer_size, 0);
    if (received < 0 && errno == EAGAIN) return;
    if (received <= 0) return drop(fd);
    const auto size = static_cast<std::size_t>(received);
    const ssize_t sent = send_what_fits(fd, buffer, size);
    if (sent < 0) return drop(fd);
    if (const auto done = static_cast<std::size_t>(sent); done < size) {
      unsent.emplace(fd, std::string(buffer + done, size - done));
      return;
    }
    if (size < buffer_size) return;
  }
}

} // namespace

int main(int argc, char** argv) {
  a_buffer_each = argc > 2 && std::string_view(argv[2]) == "each";
  listener = echo::listen_on_loopback(echo::port_argument(argc, argv), SOCK_NONBLOCK);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) echo::die("epoll_create1");
  watch(listener, EPOLLIN);
  while (true) {
    epoll_event events[256];
    const int count = epoll_wait(epoll, events, 256, -1);
    if (count < 0 && errno != EINTR) echo::die("epoll_wait");
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener) {
        accept_all();
      } else {
        echo_all(fd);
      }
    }
  }
}
