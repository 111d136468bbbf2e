// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/signal_queue.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

namespace weft::patch {
namespace {

constexpr std::uint64_t all = ~std::uint64_t{0};

siginfo_t numbered(int signal, int value) {
  siginfo_t info{};
  info.si_signo = signal;
  info.si_code = SI_QUEUE;
  info.si_value.sival_int = value;
  return info;
}

class signal_queue_test : public testing::Test {
 protected:
  ~signal_queue_test() override { queue.clear(); }
  /// The next one's number and value, or {0, 0}.
  std::pair<int, int> pop(std::uint64_t among = all) {
    siginfo_t info{};
    if (!queue.pop(among, info)) return {0, 0};
    return {info.si_signo, info.si_value.sival_int};
  }
  signal_queue queue;
};

using one = std::pair<int, int>;
constexpr one none{0, 0};

TEST_F(signal_queue_test, is_empty_at_first) {
  EXPECT_EQ(queue.set(), 0u);
  EXPECT_EQ(pop(), none);
}

TEST_F(signal_queue_test, a_standard_signal_is_kept_once_with_what_came_first) {
  queue.push(numbered(SIGUSR1, 1));
  queue.push(numbered(SIGUSR1, 2));
  EXPECT_EQ(queue.set(), signal_bit(SIGUSR1));
  EXPECT_EQ(pop(), one(SIGUSR1, 1));
  EXPECT_EQ(queue.set(), 0u);
  EXPECT_EQ(pop(), none);
}

TEST_F(signal_queue_test, a_timers_signal_is_kept_once_and_counts_the_others) {
  for (const int signal : {SIGALRM, 40}) {
    siginfo_t info = numbered(signal, 1);
    info.si_code = SI_TIMER;
    info.si_timerid = 3;
    info.si_overrun = 2;
    queue.push(info);
    queue.push(info);
    ASSERT_TRUE(queue.pop(all, info));
    EXPECT_EQ(info.si_overrun, 5);
    EXPECT_EQ(queue.set(), 0u);
  }
}

TEST_F(signal_queue_test, what_a_timer_sent_can_be_dropped) {
  siginfo_t timers = numbered(40, 1);
  timers.si_code = SI_TIMER;
  timers.si_timerid = 3;
  timers.si_overrun = 0;
  queue.push(timers);
  queue.drop_timer(4);
  EXPECT_EQ(queue.set(), signal_bit(40)) << "another timer's";
  queue.drop_timer(3);
  EXPECT_EQ(queue.set(), 0u);
  queue.push(timers);
  queue.push(numbered(40, 2));
  queue.drop_timer(3);
  EXPECT_EQ(pop(), one(40, 2));
  EXPECT_EQ(pop(), none);
}

TEST_F(signal_queue_test, realtime_signals_queue_in_their_order) {
  for (int i = 0; i < 3; ++i)
    queue.push(numbered(40, i));
  EXPECT_EQ(pop(), one(40, 0));
  EXPECT_EQ(queue.set(), signal_bit(40)) << "two more are there";
  EXPECT_EQ(pop(), one(40, 1));
  EXPECT_EQ(pop(), one(40, 2));
  EXPECT_EQ(queue.set(), 0u);
}

TEST_F(signal_queue_test, the_lowest_number_comes_first) {
  for (const int signal : {64, SIGTERM, 34, SIGHUP})
    queue.push(numbered(signal, signal));
  EXPECT_EQ(pop(), one(SIGHUP, SIGHUP));
  EXPECT_EQ(pop(), one(SIGTERM, SIGTERM));
  EXPECT_EQ(pop(), one(34, 34));
  EXPECT_EQ(pop(), one(64, 64));
}

TEST_F(signal_queue_test, takes_only_of_those_asked_for) {
  queue.push(numbered(SIGINT, 1));
  queue.push(numbered(64, 2));
  EXPECT_EQ(pop(signal_bit(SIGTERM)), none);
  EXPECT_EQ(pop(signal_bit(64)), one(64, 2));
  EXPECT_EQ(queue.set(), signal_bit(SIGINT));
}

TEST_F(signal_queue_test, clear_takes_out_all) {
  queue.push(numbered(SIGINT, 1));
  queue.push(numbered(50, 1));
  queue.push(numbered(50, 2));
  queue.clear();
  EXPECT_EQ(queue.set(), 0u);
  EXPECT_EQ(pop(), none);
}

TEST_F(signal_queue_test, does_as_a_model_of_linux_does) {
  std::mt19937 random{7};
  std::map<int, std::deque<int>> model;
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 2) {
      const int signal = 1 + static_cast<int>(random() % 64);
      auto& kept = model[signal];
      if (signal >= 32 || kept.empty()) kept.push_back(step);
      queue.push(numbered(signal, step));
    } else {
      const std::uint64_t among = (std::uint64_t{random()} << 32) | random();
      one expected = none;
      for (auto& [signal, kept] : model) {
        if (kept.empty() || !(among & signal_bit(signal))) continue;
        expected = {signal, kept.front()};
        kept.pop_front();
        break;
      }
      ASSERT_EQ(pop(among), expected) << "step " << step;
    }
    std::uint64_t set = 0;
    for (const auto& [signal, kept] : model)
      if (!kept.empty()) set |= signal_bit(signal);
    ASSERT_EQ(queue.set(), set) << "step " << step;
  }
}

} // namespace
} // namespace weft::patch
