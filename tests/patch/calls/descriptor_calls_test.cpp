// SPDX-License-Identifier: BSL-1.0
//
// Calls on descriptors, made as the program makes them: what they know about the descriptor, and
// what becomes of them when it is closed. Those that are the kernel's to make are made here, as
// the entry stub does.
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calling.hpp"
#include "patch/calls/descriptors.hpp"
#include "patch/kernel/own_descriptors.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

class descriptor_calls : public calling {
 protected:
  descriptor_calls() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0); }
  ~descriptor_calls() override {
    for (const int fd : pair)
      done(SYS_close, fd);
  }
  /// The call, by weft or by the kernel.
  template <class... Arguments>
  long done(long number, Arguments... arguments) {
    const long result = call(me(), number, arguments...);
    return result == native ? raw_syscall(number, arguments...) : result;
  }
  /// A thread that reads one byte.
  green& reads(int fd) {
    return start([this, fd](green& g) { result = call(g, SYS_read, fd, &byte, 1); });
  }
  void wait_for_result() {
    while (!result)
      run_until(core::monotonic_now() + 1'000'000);
  }
  int own_descriptors() {
    int count = 0;
    for (int fd = -1; (fd = next_own_descriptor(static_cast<unsigned>(fd) + 1, ~0u)) >= 0;)
      ++count;
    return count;
  }

  int pair[2];
  char byte = 0;
  std::optional<long> result;
};

TEST_F(descriptor_calls, a_read_waits_for_its_byte) {
  reads(pair[0]);
  EXPECT_EQ(result, std::nullopt);
  EXPECT_EQ(done(SYS_write, pair[1], "x", 1), 1);
  wait_for_result();
  EXPECT_EQ(result, 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(m().stats.parks[static_cast<int>(park_reason::io)], 1u);
}

TEST_F(descriptor_calls, nonblocking_is_noticed_however_it_is_set) {
  int off = 0, on = 1;
  EXPECT_FALSE(is_nonblocking(pair[0]));
  EXPECT_EQ(done(SYS_fcntl, pair[0], F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(call(me(), SYS_read, pair[0], &byte, 1), -EAGAIN);
  EXPECT_EQ(done(SYS_ioctl, pair[0], FIONBIO, &off), 0);
  EXPECT_FALSE(is_nonblocking(pair[0]));
  EXPECT_EQ(done(SYS_ioctl, pair[0], FIONBIO, &on), 0);
  EXPECT_TRUE(is_nonblocking(pair[0]));
  EXPECT_EQ(fcntl(pair[1], F_GETFL) & O_NONBLOCK, 0) << "nobody else's flag is touched";
}

TEST_F(descriptor_calls, a_pipe_s_flag_may_be_changed_by_another_process) {
  int ends[2];
  ASSERT_EQ(done(SYS_pipe, ends), 0);
  EXPECT_FALSE(is_nonblocking(ends[0]));
  raw_syscall(SYS_fcntl, ends[0], F_SETFL, O_NONBLOCK); // unseen
  EXPECT_TRUE(is_nonblocking(ends[0]));
  EXPECT_EQ(call(me(), SYS_read, ends[0], &byte, 1), -EAGAIN);
  for (const int fd : ends)
    done(SYS_close, fd);
}

TEST_F(descriptor_calls, a_receive_time_out_is_honoured) {
  EXPECT_EQ(receive_timeout(pair[0]), core::never);
  const timeval t{0, 40'000}; // whole jiffies, to which the kernel rounds
  EXPECT_EQ(done(SYS_setsockopt, pair[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t), 0);
  EXPECT_EQ(receive_timeout(pair[0]), 40'000'000);
  EXPECT_EQ(send_timeout(pair[0]), core::never);
  const core::nanoseconds before = core::monotonic_now();
  EXPECT_EQ(call(me(), SYS_read, pair[0], &byte, 1), -EAGAIN);
  EXPECT_GE(core::monotonic_now(), before + 40'000'000);
}

TEST_F(descriptor_calls, kinds) {
  int ends[2];
  ASSERT_EQ(done(SYS_pipe, ends), 0);
  const auto event = static_cast<int>(done(SYS_eventfd2, 0, 0));
  const auto file = static_cast<int>(done(SYS_openat, AT_FDCWD, "/proc/self/exe", O_RDONLY));
  EXPECT_EQ(kind_of(pair[0]), fd_kind::socket);
  EXPECT_EQ(kind_of(ends[1]), fd_kind::pipe);
  EXPECT_EQ(kind_of(event), fd_kind::pollable);
  EXPECT_EQ(kind_of(file), fd_kind::file);
  EXPECT_EQ(kind_of(1000), fd_kind::unknown);
  // A number's next owner is of another kind.
  EXPECT_EQ(done(SYS_dup2, event, file), file);
  EXPECT_EQ(kind_of(file), fd_kind::pollable);
  done(SYS_close, event);
  EXPECT_EQ(done(SYS_dup, pair[0]), event);
  EXPECT_EQ(kind_of(event), fd_kind::socket);
  for (const int fd : {ends[0], ends[1], event, file})
    done(SYS_close, fd);
}

TEST_F(descriptor_calls, a_read_goes_on_when_its_descriptor_is_closed) {
  reads(pair[0]);
  const int before = own_descriptors();
  const int number = pair[0];
  EXPECT_EQ(done(SYS_close, number), 0);
  EXPECT_EQ(own_descriptors(), before + 1) << "kept open for it";
  run();
  EXPECT_EQ(result, std::nullopt) << "as in Linux";
  // The number belongs to another file by now, whose readiness is none of its business.
  const auto other = static_cast<int>(done(SYS_eventfd2, 1, 0));
  EXPECT_EQ(other, number);
  run_until(core::monotonic_now() + 1'000'000);
  EXPECT_EQ(result, std::nullopt);
  EXPECT_EQ(done(SYS_write, pair[1], "x", 1), 1);
  wait_for_result();
  EXPECT_EQ(result, 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(own_descriptors(), before) << "and no longer";
}

TEST_F(descriptor_calls, several_readers_of_one_closed_descriptor_share_what_is_kept) {
  std::optional<long> first, second;
  char a = 0, b = 0;
  start([&](green& g) { first = call(g, SYS_read, pair[0], &a, 1); });
  start([&](green& g) { second = call(g, SYS_read, pair[0], &b, 1); });
  const int before = own_descriptors();
  done(SYS_close, pair[0]);
  run();
  EXPECT_EQ(own_descriptors(), before + 1);
  done(SYS_close, pair[1]); // the end of file, for both
  while (!first || !second)
    run_until(core::monotonic_now() + 1'000'000);
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 0);
  EXPECT_EQ(own_descriptors(), before);
}

TEST_F(descriptor_calls, what_is_weft_s_cannot_be_closed_or_replaced) {
  reads(pair[0]);
  const int own = next_own_descriptor(0, ~0u);
  ASSERT_GE(own, 0);
  EXPECT_EQ(call(me(), SYS_close, own), -EBADF) << "not open, as far as the program knows";
  EXPECT_EQ(call(me(), SYS_dup2, own, 100), -EBADF);
  EXPECT_EQ(call(me(), SYS_dup2, pair[0], own), -EBUSY);
  EXPECT_EQ(call(me(), SYS_close_range, own, own, 0), 0);
  EXPECT_EQ(call(me(), SYS_close_range, 900, ~0u, 0), 0);
  EXPECT_EQ(fcntl(own, F_GETFD), FD_CLOEXEC) << "still there";
  done(SYS_write, pair[1], "x", 1);
  wait_for_result();
}

TEST_F(descriptor_calls, close_range_closes_the_rest_and_refuses_nonsense) {
  EXPECT_EQ(call(me(), SYS_close_range, 5, 4, 0), -EINVAL);
  EXPECT_EQ(call(me(), SYS_close_range, 5, 6, 8), -EINVAL);
  reads(pair[0]);
  const int own = next_own_descriptor(0, ~0u);
  const int below = fcntl(0, F_DUPFD, own - 1), above = fcntl(0, F_DUPFD, own + 1);
  EXPECT_EQ(call(me(), SYS_close_range, own - 1, above, 0), 0);
  EXPECT_EQ(fcntl(below, F_GETFD), -1);
  EXPECT_EQ(fcntl(above, F_GETFD), -1);
  EXPECT_NE(fcntl(own, F_GETFD), -1);
  done(SYS_write, pair[1], "x", 1);
  wait_for_result();
}

} // namespace
} // namespace weft::patch
