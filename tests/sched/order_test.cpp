// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <poll.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(order, two_fibers_yielding_in_turn) {
  std::string out;
  auto fiber = [&](int n) {
    out += std::to_string(n) + "A ";
    weft::yield();
    out += std::to_string(n) + "B ";
  };
  auto a = weft::spawn(fiber, 1);
  auto b = weft::spawn(fiber, 2);
  weft::joinall(a, b);
  EXPECT_EQ(out, "1A 2A 1B 2B ");
}

TEST(order, a_batch_keeps_its_order) {
  std::vector<int> out;
  std::vector<weft::task<void>> tasks;
  for (int i = 0; i < 1000; ++i)
    tasks.push_back(weft::spawn([&, i] { out.push_back(i); }));
  weft::joinall(tasks);
  for (int i = 0; i < 1000; ++i)
    ASSERT_EQ(out[static_cast<std::size_t>(i)], i);
}

TEST(order, children_run_before_older_cousins) {
  std::string out;
  auto parent = weft::spawn([&] {
    auto c = weft::spawn([&] { out += "child "; });
    auto d = weft::spawn([&] { out += "child "; });
    c.join();
    d.join();
    out += "parent ";
  });
  auto cousin = weft::spawn([&] { out += "cousin "; });
  weft::joinall(parent, cousin);
  EXPECT_EQ(out, "child child parent cousin ");
}

TEST(order, endless_spawning_does_not_starve_older_fibers) {
  bool stop = false;
  long spawned = 0;
  std::function<void()> again = [&] {
    ++spawned;
    if (!stop) (void)weft::spawn(std::ref(again));
  };
  (void)weft::spawn(std::ref(again));
  auto old = weft::spawn([&] {
    for (int i = 0; i < 10; ++i)
      weft::yield();
    stop = true;
  });
  EXPECT_TRUE(old.join(5s));
  stop = true;
  while (!weft::all_tasks().empty())
    weft::yield();
  EXPECT_LT(spawned, 100'000);
}

TEST(order, endless_joining_does_not_starve_older_fibers) {
  bool stop = false;
  auto busy = weft::spawn([&] {
    while (!stop)
      weft::spawn([] {}).join();
  });
  auto old = weft::spawn([&] {
    for (int i = 0; i < 10; ++i)
      weft::yield();
  });
  EXPECT_TRUE(old.join(5s));
  stop = true;
  busy.join();
}

TEST(order, a_time_out_beats_an_endless_loop_of_yields) {
  bool stop = false;
  std::vector<weft::task<void>> spinners;
  for (int i = 0; i < 3; ++i)
    spinners.push_back(weft::spawn([&] {
      while (!stop)
        weft::sleep(0s);
    }));
  weft::promise<void> never;
  EXPECT_FALSE(never.get_future().wait_for(20ms));
  weft::sleep(5ms);
  stop = true;
  weft::joinall(spinners);
}

TEST(order, who_was_ready_before_a_sleep_was_over_begins_before_it_ends) {
  constexpr int count = 20'000;
  int begun = 0;
  std::vector<weft::task<void>> tasks;
  for (int i = 0; i < count; ++i)
    tasks.push_back(weft::spawn([&] { ++begun; }));
  weft::sleep(50us);
  EXPECT_EQ(begun, count);
  weft::joinall(tasks);
}

TEST(order, short_sleeps_keep_nobody_from_beginning) {
  bool over = false;
  std::vector<weft::task<void>> tasks;
  for (int i = 0; i < 400; ++i)
    tasks.push_back(weft::spawn([&] {
      while (!over)
        weft::sleep(1us);
    }));
  weft::sleep(10ms);
  for (int i = 0; i < 400; ++i)
    tasks.push_back(weft::spawn([&, i] {
      weft::yield();
      if (i == 399) over = true;
    }));
  weft::joinall(tasks);
  EXPECT_TRUE(over);
}

TEST(order, descriptors_get_their_turn_among_yielders) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  bool stop = false;
  auto spinner = weft::spawn([&] {
    while (!stop)
      weft::yield();
  });
  auto reader = weft::spawn([&] {
    char c = 0;
    EXPECT_EQ(weft::io::read(ends[0], &c, 1), 1);
    stop = true;
    return c;
  });
  weft::sleep(2ms);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  EXPECT_TRUE(reader.join(5s));
  EXPECT_EQ(reader.get(), 'x');
  stop = true;
  spinner.join();
  weft::io::close(ends[0]);
  weft::io::close(ends[1]);
}

TEST(order, nothing_else_runs_between_switch_points) {
  int n = 0;
  auto t = weft::spawn([&] { ++n; });
  const auto copy = t;
  EXPECT_FALSE(copy.done());
  EXPECT_FALSE(copy.join(0s));
  weft::promise<int> p;
  p.set_value(1);
  EXPECT_EQ(p.get_future().get(), 1); // done: no switch
  EXPECT_EQ(n, 0);
  t.join();
}

TEST(scale, hundred_thousand_sleeping_fibers) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr int fibers = 5'000;
#else
  constexpr int fibers = 100'000;
#endif
  int woken = 0;
  std::vector<weft::task<void>> tasks;
  for (int i = 0; i < fibers; ++i)
    tasks.push_back(weft::spawn([&, i] {
      weft::sleep(std::chrono::milliseconds(100 + i % 100));
      ++woken;
    }));
  weft::joinall(tasks);
  EXPECT_EQ(woken, fibers);
}

TEST(scale, a_million_spawned_and_joined) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr int batches = 20;
#else
  constexpr int batches = 1000;
#endif
  long sum = 0;
  for (int b = 0; b < batches; ++b) {
    std::vector<weft::task<int>> tasks;
    for (int i = 0; i < 1000; ++i)
      tasks.push_back(weft::spawn([](int x) { return x; }, i));
    for (auto& t : tasks)
      sum += t.get();
  }
  EXPECT_EQ(sum, batches * 499'500L);
}

} // namespace
