// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/transfer_ring.hpp"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <deque>
#include <string>

#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/wait.hpp"
#include "stage.hpp"

namespace weft::patch {
namespace {

class transfer_ring_test : public stage {
 protected:
  struct asked {
    std::array<int, 2> ends{-1, -1};
    long result = transfer::pending;
  };

  void SetUp() override {
    if (m().transfers.begin() < 0) GTEST_SKIP() << "no io_uring here";
    // Events, and with them transfers, are not looked at by themselves until so many turns are
    // over.
    m().processors[0].budget = 1000;
  }
  void TearDown() override {
    m().transfers.refuse();
    for (asked& a : asked_)
      for (int& fd : a.ends)
        close_end(fd);
  }
  static void close_end(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }

  asked& connect() {
    asked& a = asked_.emplace_back();
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, a.ends.data()), 0);
    return a;
  }
  /// A thread sends that, or receives.
  void send(asked& a, const char* text) {
    start([&a, text](green& g) {
      make(g, a, transfer::kind::send, const_cast<char*>(text), std::strlen(text));
    });
  }
  void receive(asked& a, void* to) {
    start([&a, to](green& g) { make(g, a, transfer::kind::receive, to, 1); });
  }

  std::deque<asked> asked_;

 private:
  static void make(green& g, asked& a, transfer::kind what, void* data, std::size_t size) {
    open_file file{a.ends[0]};
    transfer t;
    t.what = what;
    t.data = data;
    t.size = size;
    t.file = &file;
    t.owner = &g;
    make_with_others(g, t);
    a.result = t.result;
  }
};

TEST_F(transfer_ring_test, many_are_one_batch) {
  for (int i = 0; i < 5; ++i)
    send(connect(), "hello");
  EXPECT_TRUE(m().transfers.is_due());
  EXPECT_FALSE(m().transfers.is_busy());
  EXPECT_EQ(still_there(), 5u);
  m().transfers.make();
  run();
  EXPECT_TRUE(m().transfers.empty());
  EXPECT_TRUE(m().transfers.is_busy());
  EXPECT_EQ(still_there(), 0u);
  EXPECT_EQ(m().stats.batches, 1u);
  EXPECT_EQ(m().stats.batched, 5u);
  for (asked& a : asked_) {
    EXPECT_EQ(a.result, 5);
    char text[8] = {};
    EXPECT_EQ(recv(a.ends[1], text, sizeof text, MSG_DONTWAIT), 5);
    EXPECT_STREQ(text, "hello");
  }
}

TEST_F(transfer_ring_test, few_need_no_ring) {
  send(connect(), "a");
  send(connect(), "bc");
  m().transfers.make();
  run();
  EXPECT_EQ(asked_[0].result, 1);
  EXPECT_EQ(asked_[1].result, 2);
  EXPECT_EQ(m().stats.batches, 0u);
  EXPECT_FALSE(m().transfers.is_busy());
}

TEST_F(transfer_ring_test, each_has_its_own_result) {
  char byte = 0;
  receive(connect(), &byte); // nothing is there
  close_end(connect().ends[1]);
  send(asked_[1], "x"); // and no signal kills the process
  receive(asked_.emplace_back(), &byte);
  receive(connect(), reinterpret_cast<void*>(16));
  EXPECT_EQ(write(asked_[3].ends[1], "x", 1), 1);
  send(connect(), "fine");
  m().transfers.make();
  run();
  EXPECT_EQ(asked_[0].result, -EAGAIN);
  EXPECT_EQ(asked_[1].result, -EPIPE);
  EXPECT_EQ(asked_[2].result, -EBADF);
  EXPECT_EQ(asked_[3].result, -EFAULT);
  EXPECT_EQ(asked_[4].result, 4);
  EXPECT_EQ(m().stats.batched, 5u);
}

TEST_F(transfer_ring_test, more_than_there_is_room_for_are_made_in_turn) {
  constexpr unsigned many = 2 * core::transfer_queue::capacity + 10;
  for (unsigned i = 0; i < many; ++i)
    send(connect(), "x");
  for (unsigned batch = 1; batch <= 3; ++batch) {
    EXPECT_TRUE(m().transfers.is_due());
    m().transfers.make();
    EXPECT_EQ(m().stats.batches, batch);
  }
  run();
  EXPECT_EQ(m().stats.batched, many);
  EXPECT_EQ(still_there(), 0u);
  for (asked& a : asked_)
    EXPECT_EQ(a.result, 1);
}

TEST_F(transfer_ring_test, without_a_ring_each_is_made_by_itself) {
  EXPECT_TRUE(m().transfers.is_used());
  for (int i = 0; i < 5; ++i)
    send(connect(), "hello");
  m().transfers.refuse();
  EXPECT_FALSE(m().transfers.is_used());
  EXPECT_TRUE(m().transfers.is_due());
  m().transfers.make();
  run();
  EXPECT_EQ(m().stats.batches, 0u);
  for (asked& a : asked_)
    EXPECT_EQ(a.result, 5);
}

} // namespace
} // namespace weft::patch
