// SPDX-License-Identifier: BSL-1.0
#include "weft/pipe.hpp"

#include <fcntl.h>

#include <csignal>
#include <string>
#include <thread>

#include "tests/io/fibers.hpp"
#include "tests/net/errors.hpp"

namespace weft::test {
namespace {

TEST(pipe, carries_more_than_it_holds) {
  in_fiber([] {
    auto [to_read, to_write] = weft::make_pipe();
    EXPECT_TRUE(blocking(to_read.fd()));
    EXPECT_TRUE(::fcntl(to_read.fd(), F_GETFD) & FD_CLOEXEC);
    const std::string sent = pattern(1 << 20);
    auto writer = spawn([&, &to_write = to_write] {
      to_write.write_all(sent);
      to_write.close();
    });
    EXPECT_EQ(to_read.read_all(), sent);
    writer.get();
  });
}

TEST(pipe, without_a_reader_is_epipe_and_no_signal) {
  in_fiber([] {
    auto [to_read, to_write] = weft::make_pipe();
    sigset_t before, after;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
    to_write.write_all("kept");
    to_read.close();
    // SIGPIPE has its default action here: it would end the process.
    EXPECT_EQ(error_code_of([&, &to_write = to_write] { to_write.write_all("lost"); }), EPIPE);
    ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
    EXPECT_EQ(sigismember(&before, SIGPIPE), 0);
    EXPECT_EQ(sigismember(&after, SIGPIPE), 0);
    sigset_t pending;
    ::sigpending(&pending);
    EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
  });
}

TEST(pipe, that_is_full_ends_a_write_by_its_deadline) {
  in_fiber([] {
    auto [to_read, to_write] = weft::make_pipe();
    const auto begun = clock::now();
    EXPECT_EQ(error_code_of([&, &to_write = to_write] {
                to_write.write_all(std::string(1 << 20, 'x'), 20ms);
              }),
              ETIMEDOUT);
    EXPECT_GE(clock::now() - begun, 20ms);
  });
}

TEST(pipe, on_threads_without_a_hub) {
  auto [to_read, to_write] = weft::make_pipe();
  const std::string sent = pattern(300'000);
  std::thread writer([&, &to_write = to_write] {
    to_write.write_all(sent);
    to_write.close();
  });
  EXPECT_EQ(to_read.read_all(), sent);
  writer.join();
}

TEST(pipe, make_stream_pair_goes_both_ways) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    a.write_all("ping\n");
    EXPECT_EQ(b.read_line(), "ping");
    b.write_all("pong\n");
    b.shutdown();
    EXPECT_EQ(a.read_line(), "pong");
    EXPECT_EQ(a.read_line(), std::nullopt);
    a.write_all("still\n");
    EXPECT_EQ(b.read_line(), "still");
  });
}

} // namespace
} // namespace weft::test
