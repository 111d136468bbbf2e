// SPDX-License-Identifier: BSL-1.0
// What reading and writing transfer, on every kind of file.
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

/// A way to make two ends: bytes written to `second` are read from `first`.
struct channel_kind {
  const char* name;
  fd_pair (*make)();
};

fd_pair make_fifo() {
  char directory[] = "/tmp/weft-io-XXXXXX";
  EXPECT_NE(::mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/fifo";
  EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
  owned_fd in{::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  owned_fd out{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  ::fcntl(in, F_SETFL, ::fcntl(in, F_GETFL) & ~O_NONBLOCK);
  ::unlink(path.c_str());
  ::rmdir(directory);
  return {std::move(in), std::move(out)};
}

class stream : public testing::TestWithParam<channel_kind> {
 protected:
  fd_pair ends_ = GetParam().make();
};

TEST_P(stream, a_read_parks_and_others_run) {
  in_fiber([&] {
    std::string log;
    auto reader = spawn([&] {
      log += 'r';
      char buffer[16];
      const ssize_t n = io::read(ends_.first, buffer, sizeof buffer);
      log += std::string(buffer, static_cast<std::size_t>(n));
    });
    for (int i = 0; i < 3; ++i) {
      yield();
      log += '.';
    }
    EXPECT_EQ(io::write(ends_.second, "data", 4), 4);
    reader.join();
    EXPECT_EQ(log, "r...data");
    EXPECT_TRUE(blocking(ends_.first));
    EXPECT_TRUE(blocking(ends_.second));
  });
}

TEST_P(stream, a_write_writes_all_however_much) {
  const std::string sent = pattern(3'000'000);
  in_fiber([&] {
    auto writer = spawn([&] { return io::write(ends_.second, sent.data(), sent.size()); });
    EXPECT_TRUE(read_exactly(ends_.first, sent.size()) == sent);
    EXPECT_EQ(writer.get(), static_cast<ssize_t>(sent.size()));
  });
}

TEST_P(stream, vectors_are_transferred_whole_and_left_unchanged) {
  const std::string sent = pattern(1'000'003);
  std::vector<iovec> parts;
  for (std::size_t at = 0, i = 0; at < sent.size(); ++i) {
    const std::size_t size = std::min(sent.size() - at, i % 5 * 40'000);
    parts.push_back({const_cast<char*>(sent.data()) + at, size});
    at += size;
  }
  const auto before = parts;
  in_fiber([&] {
    auto writer = spawn(
        [&] { return io::writev(ends_.second, parts.data(), static_cast<int>(parts.size())); });
    std::string received;
    char a[100], b[7], c[4000];
    const iovec into[] = {{a, sizeof a}, {b, sizeof b}, {c, sizeof c}};
    while (received.size() < sent.size()) {
      const ssize_t n = io::readv(ends_.first, into, 3);
      ASSERT_GT(n, 0);
      auto left = static_cast<std::size_t>(n);
      for (const iovec& part : into) {
        const std::size_t size = std::min(left, part.iov_len);
        received.append(static_cast<char*>(part.iov_base), size);
        left -= size;
      }
    }
    EXPECT_TRUE(received == sent);
    EXPECT_EQ(writer.get(), static_cast<ssize_t>(sent.size()));
  });
  EXPECT_EQ(std::memcmp(parts.data(), before.data(), parts.size() * sizeof(iovec)), 0);
}

TEST_P(stream, the_end_is_zero) {
  in_fiber([&] {
    auto reader = spawn([&] {
      char byte;
      return io::read(ends_.first, &byte, 1);
    });
    yield();
    io::close(ends_.second.release());
    EXPECT_EQ(reader.get(), 0);
  });
}

TEST_P(stream, nobody_to_read_is_epipe) {
  std::signal(SIGPIPE, SIG_IGN);
  in_fiber([&] {
    std::string much(4'000'000, 'x');
    auto writer = spawn([&] {
      const ssize_t first = io::write(ends_.second, much.data(), much.size());
      EXPECT_GT(first, 0) << "what was taken before counts";
      EXPECT_LT(first, static_cast<ssize_t>(much.size()));
      errno = 0;
      EXPECT_EQ(io::write(ends_.second, "x", 1), -1);
      return errno;
    });
    yield();
    sleep(1ms);
    io::close(ends_.first.release());
    const int error = writer.get();
    EXPECT_TRUE(error == EPIPE || error == ECONNRESET) << error;
  });
  std::signal(SIGPIPE, SIG_DFL);
}

TEST_P(stream, two_readers_share_without_blocking_the_thread) {
  in_fiber([&] {
    std::size_t got = 0;
    std::vector<task<void>> readers;
    for (int i = 0; i < 2; ++i)
      readers.push_back(spawn([&] {
        char byte;
        while (io::read(ends_.first, &byte, 1) == 1)
          ++got;
      }));
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(io::write(ends_.second, "x", 1), 1);
      if (i % 3 == 0) sleep(10us);
    }
    io::close(ends_.second.release());
    joinall(readers);
    EXPECT_EQ(got, 50u);
  });
}

INSTANTIATE_TEST_SUITE_P(kinds, stream,
                         testing::Values(channel_kind{"pipe", [] { return make_pipe(0); }},
                                         channel_kind{"fifo", &make_fifo},
                                         channel_kind{"unix",
                                                      [] { return make_unix_pair(SOCK_STREAM); }},
                                         channel_kind{"tcp", [] { return make_tcp_pair(0); }}),
                         [](const auto& info) { return info.param.name; });

TEST(transfer, waits_for_all_when_asked) {
  auto [a, b] = make_tcp_pair(0);
  in_fiber([&, &a = a, &b = b] {
    auto writer = spawn([&] {
      for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(io::send(b, "0123456789", 10, 0), 10);
        sleep(200us);
      }
      io::close(b.release());
    });
    char buffer[100];
    EXPECT_EQ(io::recv(a, buffer, 55, MSG_WAITALL), 55);
    EXPECT_EQ(std::string(buffer + 50, 5), "01234");
    iovec parts[] = {{buffer, 20}, {buffer + 20, 20}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    EXPECT_EQ(io::recvmsg(a, &message, MSG_WAITALL), 40);
    EXPECT_EQ(std::string(buffer + 35, 5), "01234");
    EXPECT_EQ(io::recv(a, buffer, 55, MSG_WAITALL), 5) << "the end comes first";
  });
}

TEST(transfer, peeking_takes_nothing) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  in_fiber([&, &a = a, &b = b] {
    auto peeker = spawn([&] {
      char buffer[10];
      EXPECT_EQ(io::recv(a, buffer, sizeof buffer, MSG_PEEK), 3);
      EXPECT_EQ(io::recv(a, buffer, sizeof buffer, MSG_PEEK), 3);
      return io::recv(a, buffer, sizeof buffer, 0);
    });
    yield();
    EXPECT_EQ(io::send(b, "abc", 3, 0), 3);
    EXPECT_EQ(peeker.get(), 3);
  });
}

TEST(transfer, dontwait_is_heard) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  in_fiber([&, &a = a, &b = b] {
    static char buffer[65536] = {};
    EXPECT_EQ(io::recv(a, buffer, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
    while (io::send(b, buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
    EXPECT_EQ(errno, EAGAIN);
    msghdr message{};
    EXPECT_EQ(io::sendmsg(b, &message, MSG_DONTWAIT | MSG_NOSIGNAL), 0);
  });
}

TEST(transfer, datagrams_keep_their_bounds_and_senders) {
  owned_fd a{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  owned_fd b{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  sockaddr_in to{}, from{};
  to.sin_family = from.sin_family = AF_INET;
  to.sin_addr.s_addr = from.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof to;
  for (auto [fd, address] : {std::pair{int{a}, &to}, std::pair{int{b}, &from}}) {
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(address), size), 0);
    ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(address), &size), 0);
  }
  in_fiber([&] {
    auto receiver = spawn([&] {
      for (std::size_t length : {1u, 1000u, 0u, 5u}) {
        char buffer[2000];
        sockaddr_in sender{};
        socklen_t sender_size = sizeof sender;
        EXPECT_EQ(io::recvfrom(a, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&sender),
                               &sender_size),
                  static_cast<ssize_t>(length));
        EXPECT_EQ(sender.sin_port, from.sin_port);
      }
    });
    char data[1000] = {};
    for (std::size_t length : {1u, 1000u, 0u, 5u}) {
      yield();
      EXPECT_EQ(io::sendto(b, data, length, 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
                static_cast<ssize_t>(length));
    }
    receiver.join();
  });
}

TEST(transfer, a_full_datagram_socket_makes_the_sender_wait) {
  auto [a, b] = make_unix_pair(SOCK_DGRAM);
  in_fiber([&, &a = a, &b = b] {
    int sent = 0;
    auto sender = spawn([&] {
      for (; sent < 2000; ++sent)
        EXPECT_EQ(io::send(b, &sent, sizeof sent, 0), static_cast<ssize_t>(sizeof sent));
    });
    sleep(1ms);
    EXPECT_LT(sent, 2000);
    for (int i = 0; i < 2000; ++i) {
      int value = -1;
      EXPECT_EQ(io::recv(a, &value, sizeof value, 0), static_cast<ssize_t>(sizeof value));
      EXPECT_EQ(value, i);
    }
    sender.join();
  });
}

TEST(transfer, descriptors_are_passed_once_with_the_first_bytes_of_a_long_message) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  auto [in, out] = make_pipe(0);
  const std::string sent = pattern(1'000'000);
  in_fiber([&, &a = a, &b = b, &out = out, &in = in] {
    auto sender = spawn([&] {
      iovec parts[] = {{const_cast<char*>(sent.data()), 10},
                       {const_cast<char*>(sent.data()) + 10, sent.size() - 10}};
      char control[CMSG_SPACE(sizeof(int))] = {};
      msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = 2;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      const int passed = out;
      std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
      return io::sendmsg(b, &message, 0);
    });
    std::string received;
    std::vector<owned_fd> passed;
    char buffer[5000];
    while (received.size() < sent.size()) {
      iovec part{buffer, sizeof buffer};
      char control[CMSG_SPACE(4 * sizeof(int))];
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      const ssize_t n = io::recvmsg(a, &message, MSG_CMSG_CLOEXEC);
      ASSERT_GT(n, 0);
      received.append(buffer, static_cast<std::size_t>(n));
      for (cmsghdr* h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h)) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(h), sizeof fd);
        passed.emplace_back(fd);
      }
    }
    EXPECT_EQ(sender.get(), static_cast<ssize_t>(sent.size()));
    EXPECT_TRUE(received == sent);
    ASSERT_EQ(passed.size(), 1u);
    EXPECT_EQ(io::write(passed[0], "!", 1), 1);
    char c;
    EXPECT_EQ(io::read(in, &c, 1), 1);
  });
}

TEST(transfer, regular_files_are_read_and_written_as_ever) {
  char name[] = "/tmp/weft-io-XXXXXX";
  const owned_fd file{::mkstemp(name)};
  ::unlink(name);
  const std::string sent = pattern(300'000);
  in_fiber([&] {
    EXPECT_EQ(io::write(file, sent.data(), sent.size()), static_cast<ssize_t>(sent.size()));
    ASSERT_EQ(::lseek(file, 0, SEEK_SET), 0);
    EXPECT_TRUE(read_exactly(file, sent.size() + 1) == sent);
  });
}

TEST(transfer, counters_and_timers) {
  const owned_fd event{::eventfd(0, EFD_CLOEXEC)};
  const owned_fd timer{::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)};
  in_fiber([&] {
    auto reader = spawn([&] {
      std::uint64_t count = 0;
      EXPECT_EQ(io::read(event, &count, sizeof count), 8);
      return count;
    });
    yield();
    const std::uint64_t five = 5;
    EXPECT_EQ(io::write(event, &five, sizeof five), 8);
    EXPECT_EQ(reader.get(), 5u);
    itimerspec in_a_while{};
    in_a_while.it_value.tv_nsec = 3'000'000;
    ASSERT_EQ(::timerfd_settime(timer, 0, &in_a_while, nullptr), 0);
    std::uint64_t expirations = 0;
    EXPECT_EQ(io::read(timer, &expirations, sizeof expirations), 8);
    EXPECT_EQ(expirations, 1u);
  });
}

TEST(transfer, terminals) {
  int leader, terminal;
  ASSERT_EQ(::openpty(&leader, &terminal, nullptr, nullptr, nullptr), 0);
  const owned_fd a{leader}, b{terminal};
  in_fiber([&] {
    auto reader = spawn([&] {
      char line[100];
      const ssize_t n = io::read(b, line, sizeof line);
      return std::string(line, n > 0 ? static_cast<std::size_t>(n) : 0);
    });
    yield();
    EXPECT_EQ(io::write(a, "half", 4), 4);
    yield();
    EXPECT_FALSE(reader.done());
    EXPECT_EQ(io::write(a, " a line\n", 8), 8);
    EXPECT_EQ(reader.get(), "half a line\n");
  });
}

TEST(transfer, nothing_and_nonsense) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  in_fiber([&, &a = a, &b = b] {
    char byte;
    EXPECT_EQ(io::read(a, &byte, 0), 0);
    EXPECT_EQ(io::write(b, &byte, 0), 0);
    const auto fails_with = [](ssize_t result) { return result == -1 ? errno : 0; };
    EXPECT_EQ(fails_with(io::read(-1, &byte, 1)), EBADF);
    EXPECT_EQ(fails_with(io::write(-1, &byte, 1)), EBADF);
    EXPECT_EQ(fails_with(io::read(999, &byte, 1)), EBADF);
    EXPECT_EQ(fails_with(io::recv(999, &byte, 1, 0)), EBADF);
    EXPECT_EQ(fails_with(io::close(999)), EBADF);
    EXPECT_EQ(fails_with(io::close(-1)), EBADF);
    const owned_fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    EXPECT_EQ(fails_with(io::send(null, &byte, 1, 0)), ENOTSOCK);
    EXPECT_EQ(fails_with(io::accept(null, nullptr, nullptr)), ENOTSOCK);
    EXPECT_EQ(io::read(null, &byte, 1), 0);
    EXPECT_EQ(io::write(null, &byte, 1), 1);
    EXPECT_EQ(fails_with(io::readv(a, nullptr, -1)), EINVAL);
    const owned_fd read_only{::open("/dev/zero", O_RDONLY | O_CLOEXEC)};
    EXPECT_EQ(fails_with(io::write(read_only, &byte, 1)), EBADF);
    EXPECT_EQ(io::read(read_only, &byte, 1), 1);
  });
}

TEST(transfer, is_refused_in_a_callback) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  in_fiber([&, &a = a] {
    bool refused = false;
    promise<void> p;
    auto f = p.get_future();
    f.add_done_callback([&](auto&&...) {
      char byte;
      try {
        io::read(a, &byte, 1);
      } catch (const std::logic_error&) {
        refused = true;
      }
    });
    p.set_value();
    yield();
    EXPECT_TRUE(refused);
  });
}

} // namespace
} // namespace weft::test
