// SPDX-License-Identifier: BSL-1.0
#include <arpa/inet.h>

#include <memory>
#include <string>
#include <thread>

#include "tests/io/busy_threads.hpp"
#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

struct free_list {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using address_list = std::unique_ptr<addrinfo, free_list>;

std::string text_of(const addrinfo& a) {
  char host[NI_MAXHOST];
  char service[NI_MAXSERV];
  EXPECT_EQ(::getnameinfo(a.ai_addr, a.ai_addrlen, host, sizeof host, service, sizeof service,
                          NI_NUMERICHOST | NI_NUMERICSERV),
            0);
  return std::string(host) + " " + service;
}

std::vector<std::string> texts_of(int (*look_up)(const char*, const char*, const addrinfo*,
                                                 addrinfo**),
                                  const char* host, const char* service, const addrinfo* hints) {
  addrinfo* found = nullptr;
  const int code = look_up(host, service, hints, &found);
  if (code != 0) return {"error " + std::to_string(code)};
  const address_list owned(found);
  std::vector<std::string> texts;
  for (const addrinfo* a = found; a; a = a->ai_next)
    texts.push_back(text_of(*a) + " " + std::to_string(a->ai_socktype) +
                    (a->ai_canonname ? a->ai_canonname : ""));
  return texts;
}

int ours(const char* host, const char* service, const addrinfo* hints, addrinfo** found) {
  return io::getaddrinfo(host, service, hints, found, 20s);
}

TEST(getaddrinfo, gives_what_the_plain_call_gives) {
  in_fiber([] {
    addrinfo stream{};
    stream.ai_socktype = SOCK_STREAM;
    addrinfo passive{};
    passive.ai_flags = AI_PASSIVE;
    addrinfo canonical{};
    canonical.ai_flags = AI_CANONNAME;
    addrinfo numeric{};
    numeric.ai_flags = AI_NUMERICHOST;
    addrinfo family{};
    family.ai_family = 12345;
    struct question {
      const char* host;
      const char* service;
      const addrinfo* hints;
    };
    for (const auto& [host, service, hints] : {
             question{"127.0.0.1", "80", nullptr},
             question{"127.0.0.1", "80", &stream},
             question{"::1", "80", &stream},
             question{"localhost", "80", &stream},
             question{"localhost", "http", &stream},
             question{"localhost", nullptr, nullptr},
             question{"localhost", "80", &canonical},
             question{nullptr, "80", &passive},
             question{nullptr, "80", nullptr},
             question{nullptr, nullptr, nullptr},
             question{"localhost", "80", &numeric},
             question{"localhost", "80", &family},
             question{"localhost", "no such service", &stream},
         })
      EXPECT_EQ(texts_of(&ours, host, service, hints),
                texts_of(&::getaddrinfo, host, service, hints))
          << (host ? host : "-") << " " << (service ? service : "-");
  });
}

TEST(getaddrinfo, of_a_name_goes_to_another_thread) {
  in_fiber([] {
    task<int> asking;
    addrinfo* found = nullptr;
    {
      const busy_threads busy;
      asking = spawn([&] { return io::getaddrinfo("localhost", nullptr, nullptr, &found); });
      sleep(2ms); // which is only parked
      EXPECT_FALSE(asking.done());
    }
    EXPECT_EQ(asking.get(), 0);
    const address_list owned(found);
  });
}

TEST(getaddrinfo, keeps_its_deadline) {
  in_fiber([] {
    const busy_threads busy;
    addrinfo* found = nullptr;
    errno = 0;
    const auto begun = clock::now();
    EXPECT_EQ(io::getaddrinfo("localhost", nullptr, nullptr, &found, 5ms), EAI_SYSTEM);
    EXPECT_GE(clock::now() - begun, 5ms);
    EXPECT_EQ(errno, ETIMEDOUT);
    EXPECT_EQ(found, nullptr);
    // What needs no waiting is answered nevertheless.
    ASSERT_EQ(io::getaddrinfo("127.0.0.1", "80", nullptr, &found, 0s), 0);
    const address_list owned(found);
  });
}

TEST(getaddrinfo, is_a_switch_point) {
  in_fiber([] {
    int thrown = 0;
    for (const char* host : {"127.0.0.1", "localhost"}) {
      auto t = spawn([&] {
        (void)current().cancel();
        addrinfo* found = nullptr;
        try {
          io::getaddrinfo(host, "80", nullptr, &found);
        } catch (const cancelled&) {
          ++thrown;
        }
      });
      t.join();
    }
    EXPECT_EQ(thrown, 2);
  });
}

TEST(getaddrinfo, many_at_once_cancelled_or_not) {
  in_fiber([] {
    std::vector<task<int>> all;
    for (int i = 0; i < 100; ++i)
      all.push_back(spawn([] {
        addrinfo* found = nullptr;
        const int code = io::getaddrinfo("localhost", nullptr, nullptr, &found);
        if (code == 0) ::freeaddrinfo(found);
        return code;
      }));
    yield();
    for (std::size_t i = 0; i < all.size(); i += 2)
      all[i].cancel();
    for (auto& each : all)
      each.join();
    for (std::size_t i = 1; i < all.size(); i += 2)
      EXPECT_EQ(all[i].get(), 0);
  });
}

TEST(getaddrinfo, on_a_thread_without_a_hub) {
  std::thread([] {
    EXPECT_EQ(texts_of(&ours, "localhost", "80", nullptr),
              texts_of(&::getaddrinfo, "localhost", "80", nullptr));
    addrinfo* found = nullptr;
    ASSERT_EQ(io::getaddrinfo("localhost", nullptr, nullptr, &found), 0);
    const address_list owned(found);
  }).join();
}

TEST(getnameinfo, gives_what_the_plain_call_gives) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(80);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  in_fiber([&] {
    for (const int flags : {0, NI_NUMERICHOST, NI_NUMERICHOST | NI_NUMERICSERV, NI_DGRAM}) {
      char host[2][NI_MAXHOST] = {};
      char service[2][NI_MAXSERV] = {};
      EXPECT_EQ(io::getnameinfo(generic, sizeof address, host[0], NI_MAXHOST, service[0],
                                NI_MAXSERV, flags, 20s),
                ::getnameinfo(generic, sizeof address, host[1], NI_MAXHOST, service[1], NI_MAXSERV,
                              flags));
      EXPECT_STREQ(host[0], host[1]);
      EXPECT_STREQ(service[0], service[1]);
    }
    char small[2] = "z";
    EXPECT_EQ(io::getnameinfo(generic, sizeof address, small, 2, nullptr, 0, 0), EAI_OVERFLOW);
    EXPECT_STREQ(small, "z");
    char host[NI_MAXHOST];
    EXPECT_EQ(io::getnameinfo(generic, 2, host, sizeof host, nullptr, 0, 0), EAI_FAMILY);
    const busy_threads busy;
    EXPECT_EQ(io::getnameinfo(generic, sizeof address, host, sizeof host, nullptr, 0, 0, 5ms),
              EAI_SYSTEM);
    EXPECT_EQ(errno, ETIMEDOUT);
  });
}

TEST(resolver, names_of_hosts_in_connect_and_listen) {
  tcp_listener listener;
  in_fiber([&] {
    auto server = spawn([&] {
      owned_fd one{io::accept(listener.fd, nullptr, nullptr)};
      io::close(one.release());
    });
    auto peer = connect_tcp("localhost", ntohs(listener.address.sin_port), {.timeout = 10s});
    server.join();
    try {
      (void)connect_tcp("no-such-host.invalid", 80, {.timeout = 20s});
      FAIL();
    } catch (const std::system_error& e) {
      EXPECT_NE(std::string(e.what()).find("no-such-host.invalid"), std::string::npos);
    }
    io::close(listener.fd.release());
  });
}

} // namespace
} // namespace weft::test
