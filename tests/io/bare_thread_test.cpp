// SPDX-License-Identifier: BSL-1.0
// On a thread without a hub the calls just block, and deadlines hold as well.
#include <thread>

#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

int error_of(ssize_t result) {
  return result == -1 ? errno : 0;
}

template <class F>
void on_a_bare_thread(F f) {
  std::thread(f).join();
}

TEST(bare_thread, transfers_block_as_ever) {
  auto [a, b] = make_tcp_pair(0);
  std::thread writer([&, &b = b] {
    std::this_thread::sleep_for(2ms);
    const std::string sent = pattern(1'000'000);
    EXPECT_EQ(io::write(b, sent.data(), sent.size()), 1'000'000);
  });
  on_a_bare_thread([&, &a = a] { EXPECT_TRUE(read_exactly(a, 1'000'000) == pattern(1'000'000)); });
  writer.join();
}

TEST(bare_thread, deadlines) {
  auto [a, b] = make_tcp_pair(0);
  on_a_bare_thread([&, &a = a, &b = b] {
    char buffer[1 << 16] = {};
    const auto begun = clock::now();
    EXPECT_EQ(error_of(io::read(a, buffer, 1, 5ms)), ETIMEDOUT);
    EXPECT_EQ(error_of(io::recv(a, buffer, 1, 0, 5ms)), ETIMEDOUT);
    EXPECT_GE(clock::now() - begun, 10ms);
    EXPECT_EQ(error_of(io::read(a, buffer, 1, 0s)), ETIMEDOUT);
    ssize_t sent = 0, n;
    while ((n = io::write(b, buffer, sizeof buffer, 2ms)) > 0)
      sent += n;
    EXPECT_EQ(errno, ETIMEDOUT);
    EXPECT_EQ(read_exactly(a, static_cast<std::size_t>(sent), 5ms).size(),
              static_cast<std::size_t>(sent));
    const tcp_listener listener;
    EXPECT_EQ(error_of(io::accept(listener.fd, nullptr, nullptr, 2ms)), ETIMEDOUT);
    EXPECT_TRUE(blocking(a));
  });
}

TEST(bare_thread, pipes_and_their_deadlines) {
  auto [a, b] = make_pipe(0);
  on_a_bare_thread([&, &a = a, &b = b] {
    char buffer[1 << 16] = {};
    EXPECT_EQ(error_of(io::read(a, buffer, 1, 2ms)), ETIMEDOUT);
    EXPECT_EQ(io::write(b, buffer, 10, 2ms), 10);
    EXPECT_EQ(io::read(a, buffer, 100, 2ms), 10);
  });
}

TEST(bare_thread, non_blocking_descriptors) {
  auto [a, b] = make_unix_pair();
  on_a_bare_thread([&, &a = a] {
    char c;
    EXPECT_EQ(error_of(io::read(a, &c, 1)), EAGAIN);
    EXPECT_EQ(error_of(io::read(a, &c, 1, 5ms)), EAGAIN);
  });
}

TEST(bare_thread, poll_select_and_epoll_wait) {
  auto [a, b] = make_unix_pair(SOCK_STREAM);
  on_a_bare_thread([&, &a = a, &b = b] {
    pollfd one{a, POLLIN, 0};
    EXPECT_EQ(io::poll(&one, 1, 2), 0);
    EXPECT_EQ(io::poll(&one, 1, 2ms), 0);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(a, &set);
    timeval time{0, 1000};
    EXPECT_EQ(io::select(a + 1, &set, nullptr, nullptr, &time), 0);
    const owned_fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
    epoll_event event{};
    event.events = EPOLLIN;
    ASSERT_EQ(::epoll_ctl(epoll, EPOLL_CTL_ADD, a, &event), 0);
    EXPECT_EQ(io::epoll_wait(epoll, &event, 1, 2ms), 0);
    EXPECT_EQ(io::write(b, "x", 1), 1);
    EXPECT_EQ(io::epoll_wait(epoll, &event, 1, -1), 1);
    EXPECT_EQ(io::poll(&one, 1, -1), 1);
    FD_SET(a, &set);
    EXPECT_EQ(io::select(a + 1, &set, nullptr, nullptr, 1s), 1);
  });
}

TEST(bare_thread, connect_and_its_deadline) {
  tcp_listener listener(0);
  on_a_bare_thread([&] {
    const owned_fd first{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    EXPECT_EQ(io::connect(first, listener.generic(), sizeof listener.address, 1s), 0);
    std::vector<owned_fd> queue;
    for (int i = 0; i < 3; ++i) {
      queue.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      ::connect(queue.back(), listener.generic(), sizeof listener.address);
    }
    const owned_fd late{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const auto begun = clock::now();
    EXPECT_EQ(error_of(io::connect(late, listener.generic(), sizeof listener.address, 10ms)),
              ETIMEDOUT);
    EXPECT_LT(clock::now() - begun, 1s);
  });
}

TEST(bare_thread, makes_no_hub) {
  on_a_bare_thread([] {
    auto [a, b] = make_pipe(0);
    char c;
    EXPECT_EQ(error_of(io::read(a, &c, 1, 1ms)), ETIMEDOUT);
    EXPECT_FALSE(current().valid());
  });
}

} // namespace
} // namespace weft::test
