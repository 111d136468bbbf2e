// SPDX-License-Identifier: BSL-1.0
// The readiness flags: where an edge could be lost or a flag could lie.
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/uio.h>

#include <cstring>
#include <random>

#include "tests/core/reactor_fixture.hpp"

namespace weft::core {
namespace {

class reactor_readiness : public reactor_fixture {
 protected:
  /// Registers `fd` as a first reader that found nothing does.
  void register_quiet(int fd) {
    noted_waiter w{fd, io_in};
    char byte;
    ASSERT_EQ(read_or_wait(fd, &byte, 1, w), -EAGAIN);
    reactor_.remove(w);
  }
};

TEST_F(reactor_readiness, a_request_and_answer_need_no_probe) {
  auto [client, server] = make_tcp_pair();
  register_quiet(server);
  char buffer[100];
  noted_waiter w{server, io_in};
  harvest(); // the socket's first event: it may be written
  ASSERT_EQ(read_or_wait(server, buffer, sizeof buffer, w), -EAGAIN);
  EXPECT_FALSE(reactor_.maybe_ready(server, io_in));
  EXPECT_TRUE(reactor_.maybe_ready(server, io_out));
  ASSERT_EQ(::write(client, "hello", 5), 5);
  ASSERT_EQ(await(), 1);
  EXPECT_EQ(w.came, io_in);
  EXPECT_TRUE(reactor_.maybe_ready(server, io_in));
  ASSERT_EQ(read_or_wait(server, buffer, sizeof buffer, w), 5);
  EXPECT_FALSE(reactor_.maybe_ready(server, io_in)) << "a short read of TCP: nothing is left";
}

TEST_F(reactor_readiness, a_short_read_says_nothing_on_other_streams) {
  for (bool pipe : {true, false}) {
    auto [a, b] = pipe ? make_pipe() : make_unix_pair();
    const int reader = a;
    register_quiet(reader);
    harvest();
    ASSERT_EQ(::write(b, "hello", 5), 5);
    harvest();
    char buffer[100];
    noted_waiter w{reader, io_in};
    ASSERT_EQ(read_or_wait(reader, buffer, sizeof buffer, w), 5);
    EXPECT_TRUE(reactor_.maybe_ready(reader, io_in));
    reactor_.forget(reader, 0);
  }
}

TEST_F(reactor_readiness, data_and_fin_before_registration) {
  for (std::size_t step : {1, 3, 5, 64}) {
    auto [client, server] = make_tcp_pair();
    ASSERT_EQ(::write(client, "hello", 5), 5);
    client.close();
    EXPECT_EQ(read_all(server, step), "hello") << step;
    reactor_.forget(server, 0);
  }
}

TEST_F(reactor_readiness, data_and_fin_while_registered_before_anybody_reads) {
  for (std::size_t step : {1, 3, 5, 64}) {
    auto [client, server] = make_tcp_pair();
    register_quiet(server);
    ASSERT_EQ(::write(client, "hello", 5), 5);
    client.close();
    EXPECT_EQ(read_all(server, step), "hello") << step;
    reactor_.forget(server, 0);
  }
}

TEST_F(reactor_readiness, fin_between_the_harvest_and_the_short_read) {
  auto [client, server] = make_tcp_pair();
  register_quiet(server);
  ASSERT_EQ(::write(client, "hello", 5), 5);
  harvest();
  client.close();
  EXPECT_EQ(read_all(server, 64), "hello");
}

TEST_F(reactor_readiness, fin_after_the_short_read) {
  auto [client, server] = make_tcp_pair();
  register_quiet(server);
  ASSERT_EQ(::write(client, "hello", 5), 5);
  EXPECT_EQ(read_all(server, 64, 5), "hello");
  client.close();
  EXPECT_EQ(read_all(server, 64), "");
}

TEST_F(reactor_readiness, a_reset_wakes_the_reader) {
  auto [client, server] = make_tcp_pair();
  noted_waiter w{server, io_in};
  char byte;
  ASSERT_EQ(read_or_wait(server, &byte, 1, w), -EAGAIN);
  const linger hard{1, 0};
  ::setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  client.close();
  ASSERT_EQ(await(), 1);
  EXPECT_NE(w.came & (io_error | io_hangup), 0u);
  EXPECT_EQ(::read(server, &byte, 1), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(reactor_readiness, passed_descriptors_stop_a_read_short) {
  auto [a, b] = make_unix_pair();
  register_quiet(a);
  // Two messages in one stream, the second with a descriptor: a read ends between them.
  ASSERT_EQ(::write(b, "plain", 5), 5);
  char control[CMSG_SPACE(sizeof(int))] = {};
  char text[] = "passed";
  iovec part{text, 6};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int passed = STDIN_FILENO;
  std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
  ASSERT_EQ(::sendmsg(b, &message, 0), 6);
  ASSERT_EQ(::write(b, "after", 5), 5);
  b.close();
  EXPECT_EQ(read_all(a, 64), "plainpassedafter");
}

TEST_F(reactor_readiness, urgent_data_stops_a_read_short) {
  auto [client, server] = make_tcp_pair();
  register_quiet(server);
  noted_waiter urgent{server, io_priority};
  ASSERT_EQ(reactor_.add(urgent), 0);
  ASSERT_EQ(::write(client, "before", 6), 6);
  ASSERT_EQ(::send(client, "!", 1, MSG_OOB), 1);
  ASSERT_EQ(::write(client, "after", 5), 5);
  client.close();
  while (urgent.woken == 0)
    ASSERT_GT(await(), 0);
  EXPECT_NE(urgent.came & io_priority, 0u);
  // The read ends at the mark, and what follows must not be waited for.
  EXPECT_EQ(read_all(server, 64), "beforeafter");
}

TEST_F(reactor_readiness, urgent_data_that_comes_between_harvest_and_read) {
  auto [client, server] = make_tcp_pair();
  register_quiet(server);
  ASSERT_EQ(::write(client, "before", 6), 6);
  harvest();
  ASSERT_EQ(::send(client, "!", 1, MSG_OOB), 1);
  ASSERT_EQ(::write(client, "after", 5), 5);
  EXPECT_EQ(read_all(server, 64, 11), "beforeafter");
}

TEST_F(reactor_readiness, each_datagram_is_read) {
  for (int type : {SOCK_DGRAM, SOCK_SEQPACKET}) {
    auto [a, b] = make_unix_pair(type | SOCK_NONBLOCK);
    register_quiet(a);
    for (const char* each : {"one", "two", "three"})
      ASSERT_GT(::write(b, each, std::strlen(each)), 0);
    EXPECT_EQ(read_all(a, 64, 11), "onetwothree");
    reactor_.forget(a, 0);
  }
}

TEST_F(reactor_readiness, udp_datagrams_and_truncated_reads) {
  owned_fd a{::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  owned_fd b{::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(a, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(a, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(::connect(b, reinterpret_cast<sockaddr*>(&address), size), 0);
  register_quiet(a);
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(::write(b, "datagram", 8), 8);
  EXPECT_EQ(read_all(a, 4, 12), "datadatadata");
}

TEST_F(reactor_readiness, a_full_pipe_becomes_writable_again) {
  auto [in, out] = make_pipe();
  const std::uint32_t ticket = reactor_.ticket(out);
  char block[4096] = {};
  while (::write(out, block, sizeof block) > 0) {
  }
  reactor_.clear(out, io_out, ticket);
  noted_waiter w{out, io_out};
  ASSERT_EQ(reactor_.add(w), 0);
  EXPECT_EQ(harvest(), 0);
  char drain[65536];
  while (::read(in, drain, sizeof drain) > 0) {
  }
  EXPECT_EQ(await(), 1);
  EXPECT_EQ(w.came & io_out, io_out);
}

TEST_F(reactor_readiness, the_last_writers_end_wakes_the_reader_and_the_readers_the_writer) {
  {
    auto [in, out] = make_pipe();
    noted_waiter w{in, io_in};
    ASSERT_EQ(reactor_.add(w), 0);
    out.close();
    EXPECT_EQ(await(), 1);
    EXPECT_EQ(w.came & io_hangup, io_hangup);
  }
  auto [in, out] = make_pipe();
  char block[4096] = {};
  while (::write(out, block, sizeof block) > 0) {
  }
  noted_waiter w{out, io_out};
  ASSERT_EQ(reactor_.add(w), 0);
  harvest();
  in.close();
  EXPECT_EQ(await(), 1);
  EXPECT_EQ(w.came & io_error, io_error);
}

TEST_F(reactor_readiness, a_stale_clear_does_not_hide_a_newer_event) {
  auto [client, server] = make_tcp_pair();
  register_quiet(server);
  harvest();
  const std::uint32_t ticket = reactor_.ticket(server);
  char byte;
  ASSERT_EQ(::read(server, &byte, 1), -1); // the try fails,
  ASSERT_EQ(::write(client, "x", 1), 1);   // then data comes
  harvest();                               // and is harvested by somebody else
  reactor_.clear(server, io_in, ticket);
  EXPECT_TRUE(reactor_.maybe_ready(server, io_in));
  // And one who waits nevertheless is not forgotten, though the edge is past.
  noted_waiter w{server, io_in};
  ASSERT_EQ(reactor_.add(w), 0);
  EXPECT_EQ(await(), 1);
  EXPECT_EQ(w.came, io_in);
}

TEST_F(reactor_readiness, who_never_tried_is_told_what_is_ready_already) {
  auto [client, server] = make_tcp_pair();
  register_quiet(server);
  ASSERT_EQ(::write(client, "x", 1), 1);
  harvest();
  for (io_events wanted : {io_in, io_out, io_in | io_out}) {
    noted_waiter w{server, wanted};
    ASSERT_EQ(reactor_.add(w), 0);
    EXPECT_EQ(await(), 1) << wanted;
    EXPECT_EQ(w.came, wanted);
  }
  ::shutdown(client, SHUT_WR);
  harvest();
  noted_waiter w{server, io_read_hangup};
  ASSERT_EQ(reactor_.add(w), 0);
  EXPECT_EQ(await(), 1);
  EXPECT_EQ(w.came, io_read_hangup);
}

TEST_F(reactor_readiness, each_waiter_gets_what_it_wants_and_no_more) {
  auto [client, server] = make_tcp_pair();
  char block[65536] = {};
  const std::uint32_t ticket = reactor_.ticket(server);
  while (::write(server, block, sizeof block) > 0) {
  }
  reactor_.clear(server, io_out, ticket);
  noted_waiter reader{server, io_in}, second_reader{server, io_in}, writer{server, io_out};
  for (noted_waiter* w : {&reader, &second_reader, &writer})
    ASSERT_EQ(reactor_.add(*w), 0);
  EXPECT_EQ(harvest(), 0);
  ASSERT_EQ(::write(client, "x", 1), 1);
  EXPECT_EQ(await(), 2);
  EXPECT_EQ(reader.woken, 1);
  EXPECT_EQ(second_reader.woken, 1);
  EXPECT_EQ(writer.woken, 0);
  reactor_.remove(writer);
  EXPECT_FALSE(writer.linked());
  reactor_.remove(writer);
  EXPECT_FALSE(reactor_.has_waiters());
}

TEST_F(reactor_readiness, a_listener_gives_each_connection) {
  owned_fd listener{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(listener, generic, size), 0);
  ASSERT_EQ(::listen(listener, 16), 0);
  ASSERT_EQ(::getsockname(listener, generic, &size), 0);
  noted_waiter w{listener, io_in};
  ASSERT_EQ(reactor_.add(w), 0);
  std::vector<owned_fd> clients;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i <= round; ++i) {
      clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      ASSERT_EQ(::connect(clients.back(), generic, size), 0);
    }
    ASSERT_EQ(await(), 1);
    int accepted = 0;
    for (;;) {
      const std::uint32_t ticket = reactor_.ticket(listener);
      const owned_fd one{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)};
      if (one < 0) {
        reactor_.clear(listener, io_in, ticket);
        break;
      }
      ++accepted;
    }
    EXPECT_EQ(accepted, round + 1);
    ASSERT_EQ(reactor_.add(w), 0);
  }
  reactor_.remove(w);
}

TEST_F(reactor_readiness, random_traffic_is_never_lost) {
  std::mt19937 random{42};
  for (int round = 0; round < 200; ++round) {
    auto [a, b] = round % 2 == 0 ? make_tcp_pair() : make_unix_pair();
    std::string sent, received;
    bool open = true;
    while (open || received.size() < sent.size()) {
      switch (random() % 4) {
      case 0:
        if (open) {
          const std::string more(random() % 3000 + 1, static_cast<char>('a' + random() % 26));
          if (::write(b, more.data(), more.size()) == static_cast<ssize_t>(more.size()))
            sent += more;
        }
        break;
      case 1:
        harvest();
        break;
      case 2:
        if (open && random() % 10 == 0) {
          b.close();
          open = false;
        }
        break;
      default:
        if (received.size() < sent.size())
          received +=
              read_all(a, random() % 4000 + 1, 1 + random() % (sent.size() - received.size()));
      }
      ASSERT_EQ(sent.compare(0, received.size(), received), 0);
    }
    received += read_all(a, 100);
    ASSERT_EQ(received, sent);
    reactor_.forget(a, 0);
  }
}

} // namespace
} // namespace weft::core
