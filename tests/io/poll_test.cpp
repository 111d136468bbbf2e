// SPDX-License-Identifier: BSL-1.0
// Waiting for many: poll, select, epoll_wait.
#include <sys/time.h>

#include <memory>

#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

TEST(poll, tells_what_is_there) {
  auto [a, b] = make_tcp_pair(0);
  in_fiber([&, &a = a, &b = b] {
    pollfd both[] = {{a, POLLIN, 0}, {b, POLLIN | POLLOUT, 0}};
    EXPECT_EQ(io::poll(both, 2, -1), 1);
    EXPECT_EQ(both[0].revents, 0);
    EXPECT_EQ(both[1].revents, POLLOUT);
    EXPECT_EQ(io::write(b, "x", 1), 1);
    EXPECT_EQ(io::poll(both, 2, 0), 2);
    EXPECT_EQ(both[0].revents, POLLIN);
    io::close(a.release());
    io::close(b.release());
  });
}

TEST(poll, parks_until_one_is_ready_whichever) {
  std::vector<fd_pair> pairs;
  std::vector<pollfd> all;
  for (int i = 0; i < 300; ++i) {
    pairs.push_back(i % 2 == 0 ? make_unix_pair(SOCK_STREAM) : make_pipe(0));
    all.push_back({pairs.back().first, POLLIN, 0});
  }
  in_fiber([&] {
    for (std::size_t chosen : {0u, 1u, 150u, 299u}) {
      auto poller = spawn([&] { return io::poll(all.data(), all.size(), -1); });
      sleep(500us);
      EXPECT_FALSE(poller.done());
      EXPECT_EQ(io::write(pairs[chosen].second, "x", 1), 1);
      EXPECT_EQ(poller.get(), 1);
      for (std::size_t i = 0; i < all.size(); ++i)
        EXPECT_EQ(all[i].revents, i == chosen ? POLLIN : 0) << i;
      EXPECT_EQ(read_exactly(pairs[chosen].first, 1), "x");
    }
    for (auto& each : pairs) {
      io::close(each.first.release());
      io::close(each.second.release());
    }
  });
}

TEST(poll, level_triggered_as_ever) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  in_fiber([&, &a = a, &b = b] {
    pollfd one{a, POLLIN, 0};
    EXPECT_EQ(io::poll(&one, 1, 1), 0);
    EXPECT_EQ(io::write(b, "xy", 2), 2);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(io::poll(&one, 1, 100), 1);
    EXPECT_EQ(read_exactly(a, 1), "x");
    EXPECT_EQ(io::poll(&one, 1, 100), 1);
    EXPECT_EQ(read_exactly(a, 1), "y");
    EXPECT_EQ(io::poll(&one, 1, 1), 0);
    io::close(a.release());
    io::close(b.release());
  });
}

TEST(poll, hang_ups_bad_numbers_and_holes) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  in_fiber([&, &a = a, &b = b] {
    pollfd odd[] = {{-1, POLLIN, 0}, {999, POLLIN, 0}, {a, 0, 0}};
    EXPECT_EQ(io::poll(odd, 3, -1), 1);
    EXPECT_EQ(odd[0].revents, 0);
    EXPECT_EQ(odd[1].revents, POLLNVAL);
    pollfd hole{-1, POLLIN, 7};
    EXPECT_EQ(io::poll(&hole, 1, 2), 0);
    EXPECT_EQ(io::poll(nullptr, 0, 2), 0);
    pollfd hang_up{a, 0, 0};
    auto poller = spawn([&] { return io::poll(&hang_up, 1, -1); });
    sleep(500us);
    EXPECT_FALSE(poller.done());
    io::close(b.release());
    EXPECT_EQ(poller.get(), 1);
    EXPECT_EQ(hang_up.revents, POLLHUP);
    io::close(a.release());
  });
}

TEST(poll, half_close_is_told_to_who_asks) {
  auto [a, b] = make_tcp_pair(0);
  in_fiber([&, &a = a, &b = b] {
    pollfd one{a, POLLRDHUP, 0};
    auto poller = spawn([&] { return io::poll(&one, 1, 2000); });
    sleep(500us);
    ::shutdown(b, SHUT_WR);
    EXPECT_EQ(poller.get(), 1);
    EXPECT_EQ(one.revents, POLLRDHUP);
    io::close(a.release());
    io::close(b.release());
  });
}

TEST(poll, regular_files_are_ready) {
  const owned_fd file{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
  in_fiber([&] {
    pollfd one{file, POLLIN | POLLOUT, 0};
    EXPECT_EQ(io::poll(&one, 1, -1), 1);
    EXPECT_EQ(one.revents, POLLIN | POLLOUT);
  });
}

TEST(poll, several_fibers_and_readers_on_one_descriptor) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  in_fiber([&, &a = a, &b = b] {
    std::vector<task<int>> pollers;
    for (int i = 0; i < 5; ++i)
      pollers.push_back(spawn([&] {
        pollfd twice[] = {{a, POLLIN, 0}, {a, POLLIN, 0}};
        return io::poll(twice, 2, 2000);
      }));
    sleep(500us);
    EXPECT_EQ(io::write(b, "x", 1), 1);
    for (auto& each : pollers)
      EXPECT_EQ(each.get(), 2);
    io::close(a.release());
    io::close(b.release());
  });
}

TEST(select, tells_what_is_there_and_how_much_time_is_left) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  in_fiber([&, &a = a, &b = b] {
    fd_set to_read, to_write;
    const auto ask = [&] {
      FD_ZERO(&to_read);
      FD_ZERO(&to_write);
      FD_SET(a, &to_read);
      FD_SET(b, &to_read);
    };
    ask();
    timeval short_time{0, 3000};
    EXPECT_EQ(io::select(std::max<int>(a, b) + 1, &to_read, nullptr, nullptr, &short_time), 0);
    EXPECT_FALSE(FD_ISSET(a, &to_read));
    EXPECT_EQ(short_time.tv_sec * 1'000'000 + short_time.tv_usec, 0);

    auto writer = spawn([&] {
      sleep(2ms);
      return io::write(b, "x", 1);
    });
    ask();
    FD_SET(a, &to_write);
    FD_CLR(a, &to_write);
    timeval long_time{5, 0};
    EXPECT_EQ(io::select(std::max<int>(a, b) + 1, &to_read, &to_write, nullptr, &long_time), 1);
    EXPECT_TRUE(FD_ISSET(a, &to_read));
    EXPECT_FALSE(FD_ISSET(b, &to_read));
    EXPECT_EQ(long_time.tv_sec, 4);
    ask();
    FD_SET(b, &to_write);
    EXPECT_EQ(io::select(std::max<int>(a, b) + 1, &to_read, &to_write, nullptr, nullptr), 2);
    io::close(a.release());
    io::close(b.release());
  });
}

TEST(select, nonsense) {
  in_fiber([] {
    timeval negative{-1, 0};
    EXPECT_EQ(io::select(0, nullptr, nullptr, nullptr, &negative), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(io::select(-1, nullptr, nullptr, nullptr, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
    fd_set closed;
    FD_ZERO(&closed);
    FD_SET(999, &closed);
    EXPECT_EQ(io::select(1000, &closed, nullptr, nullptr, nullptr), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_TRUE(FD_ISSET(999, &closed)) << "left as they were";
    timeval short_time{0, 1000};
    EXPECT_EQ(io::select(0, nullptr, nullptr, nullptr, &short_time), 0) << "select as a sleep";
  });
}

TEST(epoll_wait, of_the_programs_own_epoll) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  auto [c, d] = make_pipe(0);
  owned_fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
  for (int fd : {int{a}, int{c}}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ASSERT_EQ(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
  }
  in_fiber([&, &a = a, &b = b, &c = c, &d = d] {
    epoll_event events[8];
    EXPECT_EQ(io::epoll_wait(epoll, events, 8, 0), 0);
    EXPECT_EQ(io::epoll_wait(epoll, events, 8, 2), 0);
    for (int round = 0; round < 3; ++round) {
      auto waiter = spawn([&] { return io::epoll_wait(epoll, events, 8, -1); });
      sleep(500us);
      EXPECT_FALSE(waiter.done());
      EXPECT_EQ(io::write(d, "x", 1), 1);
      EXPECT_EQ(waiter.get(), 1);
      EXPECT_EQ(events[0].data.fd, int{c});
      EXPECT_EQ(io::epoll_wait(epoll, events, 8, -1), 1) << "still there";
      EXPECT_EQ(io::write(b, "y", 1), 1);
      EXPECT_EQ(io::epoll_wait(epoll, events, 8, 1s), 2);
      EXPECT_EQ(read_exactly(c, 1) + read_exactly(a, 1), "xy");
    }
    EXPECT_EQ(io::epoll_wait(a, events, 8, -1), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(io::epoll_wait(epoll, events, 0, -1), -1);
    EXPECT_EQ(errno, EINVAL);
    io::close(epoll.release());
  });
}

} // namespace
} // namespace weft::test
