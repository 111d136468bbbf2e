// SPDX-License-Identifier: BSL-1.0
// getaddrinfo and its kin, which keep state by thread and read files and sockets inside libc.
#include "tests/conformance/check.hpp"

#include <arpa/inet.h>
#include <atomic>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

std::string text_of(const addrinfo& entry) {
  char host[64] = {};
  char service[16] = {};
  getnameinfo(entry.ai_addr, entry.ai_addrlen, host, sizeof host, service, sizeof service,
              NI_NUMERICHOST | NI_NUMERICSERV);
  return std::string(host) + " " + service;
}

std::string resolve(const char* host, const char* service, int flags, int family = AF_INET) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host, service, &hints, &found);
  if (error != 0) return gai_strerror(error);
  std::string text = text_of(*found);
  freeaddrinfo(found);
  return text;
}

template <class Body>
void in_threads(int count, Body body) {
  std::vector<std::thread> threads;
  for (int t = 0; t < count; ++t)
    threads.emplace_back(body);
  for (std::thread& thread : threads)
    thread.join();
}

void numeric() {
  in_threads(8, [] {
    for (int i = 0; i < 10; ++i) {
      expect_equal(resolve("192.0.2.7", "8080", AI_NUMERICHOST), "192.0.2.7 8080", "IPv4");
      expect_equal(resolve("2001:db8::1", "53", AI_NUMERICHOST, AF_INET6), "2001:db8::1 53",
                   "IPv6");
      expect_equal(resolve("not.numeric.invalid", "53", AI_NUMERICHOST),
                   std::string(gai_strerror(EAI_NONAME)), "not numeric");
    }
  });
}

void localhost() {
  in_threads(8, [] {
    for (int i = 0; i < 10; ++i)
      expect_equal(resolve("localhost", "80", 0), "127.0.0.1 80", "localhost");
  });
}

void by_name_reentrant() {
  in_threads(6, [] {
    hostent storage{};
    hostent* result = nullptr;
    char buffer[2048];
    int error = 0;
    for (int i = 0; i < 10; ++i) {
      expect_equal(gethostbyname_r("localhost", &storage, buffer, sizeof buffer, &result, &error),
                   0, "gethostbyname_r");
      expect(result != nullptr && result->h_addrtype == AF_INET, "an IPv4 address");
      usleep(200);
    }
  });
}

void services() {
  in_threads(4, [] {
    servent storage{};
    servent* result = nullptr;
    char buffer[1024];
    for (int i = 0; i < 10; ++i)
      if (getservbyname_r("no-such-service-here", "tcp", &storage, buffer, sizeof buffer,
                          &result) == 0)
        expect(result == nullptr, "an unknown service");
  });
}

void connect_by_name() {
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(server, reinterpret_cast<sockaddr*>(&address), sizeof address);
  listen(server, 16);
  socklen_t length = sizeof address;
  getsockname(server, reinterpret_cast<sockaddr*>(&address), &length);
  const std::string port = std::to_string(ntohs(address.sin_port));
  std::thread acceptor([server] {
    for (int i = 0; i < 8; ++i) {
      const int peer = accept(server, nullptr, nullptr);
      expect_equal(write(peer, "hi", 2), 2, "write");
      close(peer);
    }
  });
  in_threads(8, [&port] {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    expect_equal(getaddrinfo("localhost", port.c_str(), &hints, &found), 0, "getaddrinfo");
    if (found == nullptr) return;
    const int fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol);
    expect_equal(connect(fd, found->ai_addr, found->ai_addrlen), 0, "connect");
    freeaddrinfo(found);
    char text[3] = {};
    expect_equal(recv(fd, text, 2, MSG_WAITALL), 2, "recv");
    expect_equal(std::string(text), "hi", "the greeting");
    close(fd);
  });
  acceptor.join();
  close(server);
}

const checks registered{
    {"numeric", numeric},
    {"localhost", localhost},
    {"by_name_reentrant", by_name_reentrant},
    {"services", services},
    {"connect_by_name", connect_by_name},
};

} // namespace
