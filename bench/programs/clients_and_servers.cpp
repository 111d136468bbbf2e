// SPDX-License-Identifier: BSL-1.0
//
// clients_and_servers PAIRS MESSAGES: a thread that asks and one that answers at the ends of each
// of many TCP connections, all in one process. Prints how many messages were answered.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t message_size = 64;

void check(bool fine, const char* what) {
  if (fine) return;
  std::perror(what);
  std::exit(1);
}

bool transfer_all(ssize_t (*call)(int, void*, std::size_t, int), int fd, char* data) {
  for (std::size_t done = 0; done < message_size;) {
    const ssize_t n = call(fd, data + done, message_size - done, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

bool receive(int fd, char* data) {
  return transfer_all(recv, fd, data);
}

bool transmit(int fd, char* data) {
  return transfer_all(
      [](int to, void* from, std::size_t size, int flags) { return send(to, from, size, flags); },
      fd, data);
}

void answer(int fd) {
  char message[message_size];
  while (receive(fd, message) && transmit(fd, message)) {
  }
  close(fd);
}

void ask(const sockaddr_in& where, long messages, std::atomic<long>& answered) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const int one = 1;
  check(fd >= 0, "socket");
  check(connect(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0, "connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  for (long i = 0; i < messages; ++i) {
    char sent[message_size];
    char came[message_size];
    std::memset(sent, static_cast<int>(i), sizeof sent);
    check(transmit(fd, sent) && receive(fd, came), "a message");
    if (std::memcmp(sent, came, sizeof sent) == 0) ++answered;
  }
  close(fd);
}

} // namespace

int main(int argc, char** argv) {
  const auto pairs = static_cast<std::size_t>(argc > 1 ? std::atol(argv[1]) : 10);
  const long messages = argc > 2 ? std::atol(argv[2]) : 100;
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int one = 1;
  check(listener >= 0, "socket");
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  check(bind(listener, reinterpret_cast<sockaddr*>(&where), size) == 0, "bind");
  check(listen(listener, static_cast<int>(pairs)) == 0, "listen");
  check(getsockname(listener, reinterpret_cast<sockaddr*>(&where), &size) == 0, "getsockname");

  std::atomic<long> answered{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < pairs; ++i)
    threads.emplace_back(ask, std::cref(where), messages, std::ref(answered));
  for (std::size_t i = 0; i < pairs; ++i) {
    const int fd = accept(listener, nullptr, nullptr);
    check(fd >= 0, "accept");
    threads.emplace_back(answer, fd);
  }
  for (auto& thread : threads)
    thread.join();
  std::printf("%ld\n", answered.load());
}
