// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

namespace {

using namespace weft::core;
using due_list = list<timer, timer_tag>;

constexpr nanoseconds tick = timer_wheel::tick;
constexpr nanoseconds second = 1'000'000'000;

std::vector<timer*> take(timer_wheel& wheel, nanoseconds now) {
  due_list due;
  wheel.advance(now, due);
  std::vector<timer*> taken;
  while (!due.empty())
    taken.push_back(&due.pop_front());
  return taken;
}

TEST(timer_wheel, is_empty_at_first) {
  timer_wheel wheel{5 * second};
  EXPECT_TRUE(wheel.empty());
  EXPECT_EQ(wheel.size(), 0u);
  EXPECT_EQ(wheel.next_due(), never);
  EXPECT_TRUE(take(wheel, 10 * second).empty());
}

TEST(timer_wheel, fires_not_before_the_deadline_and_at_most_a_tick_after) {
  timer_wheel wheel{second};
  timer t;
  t.deadline = second + 12'345'678;
  wheel.insert(t);
  EXPECT_TRUE(take(wheel, t.deadline - 1).empty());
  const auto taken = take(wheel, t.deadline + tick);
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0], &t);
  EXPECT_FALSE(t.linked());
  EXPECT_TRUE(wheel.empty());
}

TEST(timer_wheel, a_deadline_in_the_past_is_due_at_once) {
  timer_wheel wheel{second};
  timer past, present, negative;
  past.deadline = 1;
  present.deadline = second;
  negative.deadline = -7;
  for (timer* t : {&past, &negative})
    wheel.insert(*t);
  EXPECT_LE(wheel.next_due(), second);
  EXPECT_EQ(take(wheel, second).size(), 2u);
  wheel.insert(present);
  EXPECT_EQ(take(wheel, second + tick).size(), 1u);
}

TEST(timer_wheel, equal_deadlines_fire_in_the_order_of_insertion) {
  timer_wheel wheel{0};
  std::vector<std::unique_ptr<timer>> timers;
  for (int i = 0; i < 100; ++i) {
    timers.push_back(std::make_unique<timer>());
    timers.back()->deadline = 700 * second;
    wheel.insert(*timers.back());
    // In between the wheel moves on, so that they are put into different levels.
    EXPECT_TRUE(take(wheel, i * 7 * second).empty());
  }
  const auto taken = take(wheel, 701 * second);
  ASSERT_EQ(taken.size(), timers.size());
  for (std::size_t i = 0; i < taken.size(); ++i)
    EXPECT_EQ(taken[i], timers[i].get());
}

/// On each level, among many that come down from a slot together and of which some are cancelled.
TEST(timer_wheel, many_fire_in_the_order_of_their_ticks_and_then_of_insertion) {
  std::mt19937_64 random{1};
  constexpr nanoseconds start = 500'000 * tick;
  for (const nanoseconds span : {tick * 50, tick * 4'000, tick * 250'000, tick * 16'000'000}) {
    for (const std::size_t count : {1u, 2u, 3u, 5'000u}) {
      timer_wheel wheel{start - second};
      std::vector<std::unique_ptr<timer>> timers;
      for (std::size_t i = 0; i < count; ++i) {
        timers.push_back(std::make_unique<timer>());
        timers.back()->deadline =
            start + static_cast<nanoseconds>(random() >> 1) % span / tick * tick;
        wheel.insert(*timers.back());
      }
      const auto fire_until = [&](nanoseconds now) {
        const auto fired = take(wheel, now);
        const auto due = std::find_if(timers.begin(), timers.end(),
                                      [&](const auto& t) { return t->deadline > now; });
        std::vector<timer*> expected;
        for (auto i = timers.begin(); i != due; ++i)
          expected.push_back(i->get());
        EXPECT_EQ(fired, expected) << count << " within " << span;
        timers.erase(timers.begin(), due);
      };
      std::stable_sort(timers.begin(), timers.end(),
                       [](const auto& a, const auto& b) { return a->deadline < b->deadline; });
      for (std::size_t i = 0; i < timers.size(); i += 7) {
        EXPECT_TRUE(wheel.cancel(*timers[i]));
        timers.erase(timers.begin() + static_cast<std::ptrdiff_t>(i));
      }
      fire_until(start + span / 3 / tick * tick);
      for (std::size_t i = 0; i < timers.size(); i += 5) {
        EXPECT_TRUE(wheel.cancel(*timers[i]));
        timers.erase(timers.begin() + static_cast<std::ptrdiff_t>(i));
      }
      fire_until(start + span / 2 / tick * tick);
      fire_until(start + span);
      EXPECT_TRUE(wheel.empty());
    }
  }
}

TEST(timer_wheel, the_farthest_deadlines_stay_in_and_can_be_cancelled) {
  for (const nanoseconds start : {nanoseconds{0}, 1'000'000 * second}) {
    timer_wheel wheel{start};
    std::vector<std::unique_ptr<timer>> timers;
    for (int shift = 14; shift < 63; ++shift) {
      timers.push_back(std::make_unique<timer>());
      timers.back()->deadline = deadline_after(start, nanoseconds{1} << shift);
      wheel.insert(*timers.back());
    }
    timer last;
    last.deadline = never - 1;
    wheel.insert(last);
    EXPECT_EQ(wheel.size(), timers.size() + 1);
    EXPECT_TRUE(wheel.cancel(last));
    EXPECT_FALSE(wheel.cancel(last));
    // Woken only when told to, it finds them one after the other, never early.
    for (auto& t : timers) {
      nanoseconds now = start;
      std::vector<timer*> taken;
      while (taken.empty()) {
        now = wheel.next_due();
        ASSERT_LE(now, t->deadline + tick);
        taken = take(wheel, now);
      }
      ASSERT_EQ(taken.size(), 1u);
      EXPECT_EQ(taken[0], t.get());
      EXPECT_GE(now, t->deadline);
    }
    EXPECT_TRUE(wheel.empty());
    EXPECT_EQ(wheel.next_due(), never);
  }
}

TEST(timer_wheel, one_given_out_as_due_can_still_be_cancelled) {
  timer_wheel wheel{0};
  timer a, b;
  a.deadline = b.deadline = tick;
  wheel.insert(a);
  wheel.insert(b);
  due_list due;
  wheel.advance(second, due);
  EXPECT_TRUE(wheel.empty());
  EXPECT_TRUE(wheel.cancel(b));
  EXPECT_EQ(wheel.size(), 0u);
  EXPECT_EQ(&due.pop_front(), &a);
  EXPECT_TRUE(due.empty());
}

TEST(timer_wheel, reset_forgets_all) {
  timer_wheel wheel{0};
  timer t;
  t.deadline = second;
  wheel.insert(t);
  wheel.reset(10 * second);
  EXPECT_TRUE(wheel.empty());
  EXPECT_EQ(wheel.next_due(), never);
  EXPECT_TRUE(take(wheel, 20 * second).empty());
}

/// The same operations on a wheel and on a plain vector, which must agree.
class timer_wheel_model : public testing::TestWithParam<unsigned> {
 protected:
  static constexpr int timers = 300;

  std::mt19937_64 random_{GetParam()};
  nanoseconds now_ = static_cast<nanoseconds>(random_() % (1'000'000 * second));
  timer_wheel wheel_{now_};
  timer timers_[timers];
  std::vector<timer*> in_;

  // Of any magnitude, for each level to be used; some in the past, some at a slot's very edge.
  nanoseconds random_span() {
    const auto magnitude = random_() % 58;
    auto span = static_cast<nanoseconds>(random_() & ((std::uint64_t{1} << magnitude) - 1));
    if (random_() % 8 == 0) span = span / tick * tick;
    return random_() % 16 == 0 ? -(span % second) : span;
  }

  void insert() {
    timer& t = timers_[random_() % timers];
    if (t.linked()) return;
    t.deadline = random_() % 8 == 0 ? (now_ + random_span()) & ~((nanoseconds{1} << 20) - 1)
                                    : now_ + random_span();
    wheel_.insert(t);
    in_.push_back(&t);
  }

  void cancel() {
    timer& t = timers_[random_() % timers];
    const auto found = std::find(in_.begin(), in_.end(), &t);
    ASSERT_EQ(wheel_.cancel(t), found != in_.end());
    if (found != in_.end()) in_.erase(found);
  }

  void advance() {
    const nanoseconds before = now_;
    const nanoseconds next = wheel_.next_due();
    for (timer* t : in_)
      ASSERT_LT(next, std::max(t->deadline, before) + tick);
    if (random_() % 2 == 0 && next != never)
      now_ = std::max(now_, next);
    else
      now_ += std::max<nanoseconds>(0, random_span() >> (random_() % 32));
    nanoseconds last = 0;
    for (timer* t : take(wheel_, now_)) {
      ASSERT_LE(t->deadline, now_) << "early";
      ASSERT_GE(std::max(t->deadline, before) + tick, last) << "out of order";
      last = std::max(t->deadline, last);
      ASSERT_EQ(std::erase(in_, t), 1u);
    }
    for (timer* t : in_)
      ASSERT_GT(t->deadline + tick, now_) << "late";
  }
};

TEST_P(timer_wheel_model, agrees_with_the_wheel) {
  for (int i = 0; i < 20'000; ++i) {
    switch (random_() % 4) {
    case 0:
    case 1:
      insert();
      break;
    case 2:
      cancel();
      break;
    default:
      advance();
    }
    ASSERT_FALSE(HasFatalFailure()) << "step " << i;
    ASSERT_EQ(wheel_.size(), in_.size());
    ASSERT_EQ(wheel_.empty(), in_.empty());
    ASSERT_EQ(wheel_.next_due() == never, in_.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(seeds, timer_wheel_model, testing::Range(1u, 13u));

} // namespace
