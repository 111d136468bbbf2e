// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/own_descriptors.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace weft::patch {
namespace {

class own_descriptors : public testing::Test {
 protected:
  own_descriptors() { getrlimit(RLIMIT_NOFILE, &before_); }
  ~own_descriptors() override {
    for (const int fd : mine_)
      close_own(fd);
    setrlimit(RLIMIT_NOFILE, &before_);
  }
  void allow(rlim_t most) {
    rlimit next = before_;
    next.rlim_cur = most;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &next), 0);
  }
  int move(int fd = eventfd(0, 0)) {
    mine_.push_back(move_out_of_sight(fd));
    return mine_.back();
  }
  void give_up(int fd) {
    close_own(fd);
    std::erase(mine_, fd);
  }
  static bool is_open(int fd) { return fcntl(fd, F_GETFD) != -1; }

 private:
  rlimit before_;
  std::vector<int> mine_;
};

TEST_F(own_descriptors, move_up_and_close_on_exec) {
  allow(1024);
  const int low = eventfd(0, 0);
  const int high = move(low);
  EXPECT_GE(high, 1024 - 64);
  EXPECT_LT(high, 1024);
  EXPECT_EQ(fcntl(high, F_GETFD), FD_CLOEXEC);
  EXPECT_FALSE(is_open(low)) << "it went, and left no second number behind";
}

TEST_F(own_descriptors, are_known_until_closed) {
  const int fd = move();
  EXPECT_TRUE(is_own_descriptor(fd));
  EXPECT_FALSE(is_own_descriptor(fd + 1));
  EXPECT_FALSE(is_own_descriptor(0));
  EXPECT_FALSE(is_own_descriptor(-1)) << "an unused place is no descriptor";
  give_up(fd);
  EXPECT_FALSE(is_own_descriptor(fd));
  EXPECT_FALSE(is_open(fd));
}

TEST_F(own_descriptors, leave_the_low_numbers_to_the_program_even_if_there_are_few) {
  allow(64);
  const int low = eventfd(0, 0);
  ASSERT_GE(low, 0);
  const int high = move(low);
  EXPECT_GE(high, 48);
  EXPECT_LT(high, 64);
}

TEST_F(own_descriptors, find_room_further_down) {
  allow(64);
  std::vector<int> others;
  for (int fd = dup(0); fd >= 0; fd = dup(0))
    others.push_back(fd);
  for (const int fd : {others.front(), 40}) { // a place to come from, and one to go to
    close(fd);
    std::erase(others, fd);
  }
  EXPECT_EQ(move(), 40);
  for (const int fd : others)
    close(fd);
}

TEST_F(own_descriptors, stay_where_they_are_if_there_is_no_room) {
  allow(64);
  std::vector<int> others;
  for (int fd = dup(0); fd >= 0; fd = dup(0))
    others.push_back(fd);
  close(others.back());
  others.pop_back();
  const int last = eventfd(0, 0);
  EXPECT_EQ(move(last), last);
  EXPECT_TRUE(is_open(last));
  EXPECT_TRUE(is_own_descriptor(last)) << "out of the program's reach nevertheless";
  for (const int fd : others)
    close(fd);
}

TEST_F(own_descriptors, go_round_a_number_that_is_taken) {
  allow(1024);
  const int first = move();
  const int second = move();
  EXPECT_NE(first, second);
  EXPECT_TRUE(is_own_descriptor(first));
  EXPECT_TRUE(is_own_descriptor(second));
}

TEST_F(own_descriptors, the_next_one_in_a_range) {
  EXPECT_EQ(next_own_descriptor(0, ~0u), -1);
  std::vector<int> all{move(), move(), move()};
  std::ranges::sort(all);
  const auto a = static_cast<unsigned>(all[0]);
  const auto c = static_cast<unsigned>(all[2]);
  EXPECT_EQ(next_own_descriptor(0, ~0u), all[0]);
  EXPECT_EQ(next_own_descriptor(a, a), all[0]);
  EXPECT_EQ(next_own_descriptor(a + 1, ~0u), all[1]);
  EXPECT_EQ(next_own_descriptor(c, ~0u), all[2]);
  EXPECT_EQ(next_own_descriptor(c + 1, ~0u), -1);
  EXPECT_EQ(next_own_descriptor(0, a - 1), -1);
  give_up(all[0]);
  EXPECT_EQ(next_own_descriptor(0, ~0u), all[1]) << "a place that was given up is not found";
}

/// What a call in progress on a closed descriptor is kept open by comes from here as well, so
/// that there may be as many as there are calls.
TEST_F(own_descriptors, however_many_there_are_all_are_known) {
  allow(1024);
  std::vector<int> all;
  for (int i = 0; i < 200; ++i)
    all.push_back(move());
  for (const int fd : all) {
    EXPECT_TRUE(is_own_descriptor(fd)) << fd;
    EXPECT_GE(fd, 256) << "the low ones are the program's";
  }
}

} // namespace
} // namespace weft::patch
