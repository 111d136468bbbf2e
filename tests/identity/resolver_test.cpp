// SPDX-License-Identifier: BSL-1.0
// getaddrinfo in fibers: its state is the thread's, and it blocks in its own sockets.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <weft/weft.hpp>

namespace {

using namespace std::chrono_literals;

/// A name server that knows host-N.test to be 192.0.2.N, and takes 100 ms to remember it.
class name_server {
 public:
  name_server() : socket_(::socket(AF_INET, SOCK_DGRAM, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    socklen_t length = sizeof address_;
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address_), &length);
    serving_ = weft::spawn([this] { serve(); });
  }
  ~name_server() {
    serving_.kill();
    ::close(socket_);
  }
  name_server(const name_server&) = delete;
  name_server& operator=(const name_server&) = delete;

  [[nodiscard]] sockaddr_in address() const { return address_; }

 private:
  void serve() {
    while (true) {
      std::string question(512, 0);
      sockaddr_in from{};
      socklen_t length = sizeof from;
      const auto size = ::recvfrom(socket_, question.data(), question.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
      if (size < 0) weft::yield();
      if (size < 12) continue;
      question.resize(static_cast<std::size_t>(size));
      static_cast<void>(weft::spawn([this, question, from] { answer(question, from); }));
    }
  }

  void answer(const std::string& question, const sockaddr_in& from) {
    ::usleep(100'000);
    // The name begins after the header: its first label is "host-N".
    const auto label = question.substr(13, static_cast<unsigned char>(question[12]));
    const auto number = static_cast<char>(std::stoi(label.substr(5)));
    const auto end = question.find('\0', 12) + 5;
    std::string reply = question.substr(0, end);
    const char head[] = {static_cast<char>(0x81), static_cast<char>(0x80), 0, 1, 0, 1, 0, 0, 0, 0};
    reply.replace(2, sizeof head, head, sizeof head);
    const char record[] = {static_cast<char>(0xc0), 12, 0, 1,     0, 1, 0, 0, 0, 60, 0, 4,
                           static_cast<char>(192),  0,  2, number};
    reply.append(record, sizeof record);
    ::sendto(socket_, reply.data(), reply.size(), 0, reinterpret_cast<const sockaddr*>(&from),
             sizeof from);
  }

  int socket_;
  sockaddr_in address_{};
  weft::task<void> serving_;
};

/// In the calling thread or fiber, which has a resolver state of its own.
std::string resolve_by(const sockaddr_in& server, const std::string& name) {
  ::res_init();
  _res.nscount = 1;
  _res.nsaddr_list[0] = server;
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(name.c_str(), "80", &hints, &found))
    return ::gai_strerror(error);
  char text[64] = {};
  ::getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  ::freeaddrinfo(found);
  return text;
}

bool asks_name_servers() {
  std::ifstream file("/etc/nsswitch.conf");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("hosts:")) return line.find("dns") != std::string::npos;
  return false;
}

TEST(getaddrinfo, waits_in_many_fibers_at_once) {
  if (!asks_name_servers()) GTEST_SKIP() << "this system asks no name servers";
  const name_server server;
  const auto begin = std::chrono::steady_clock::now();
  std::vector<weft::task<std::string>> tasks;
  for (int i = 1; i <= 50; ++i)
    tasks.push_back(
        weft::spawn(resolve_by, server.address(), "host-" + std::to_string(i) + ".test"));
  for (int i = 1; i <= 50; ++i)
    EXPECT_EQ(tasks[static_cast<std::size_t>(i - 1)].get(), "192.0.2." + std::to_string(i));
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, 100ms);
  EXPECT_LT(took, 4s); // one after the other: 5 s
}

} // namespace
