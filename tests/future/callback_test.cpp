// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

std::vector<std::string> reports;
void record(const char* where, std::exception_ptr) noexcept {
  reports.push_back(where);
}

TEST(done_callback, a_thousand_in_order_and_before_later_waiters) {
  weft::promise<int> p;
  auto f = p.get_future();
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i)
    f.add_done_callback([&, i] { order.push_back(i); });
  auto waiter = weft::spawn([&] {
    f.wait();
    order.push_back(1000);
  });
  weft::yield();
  f.add_done_callback([&] { order.push_back(1001); });
  p.set_value(0);
  waiter.join();
  weft::yield();
  ASSERT_EQ(order.size(), 1002u);
  for (int i = 0; i <= 1001; ++i)
    ASSERT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(done_callback, of_a_task_before_its_joiner) {
  std::vector<int> order;
  auto t = weft::spawn([] { weft::yield(); });
  for (int i = 0; i < 3; ++i)
    t.add_done_callback([&, i] { order.push_back(i); });
  t.join();
  EXPECT_EQ(order, (std::vector{0, 1, 2}));
}

TEST(done_callback, receives_the_future) {
  auto t = weft::spawn([] { return 6; });
  int seen = 0;
  t.add_done_callback([&](const weft::future<int>& f) { seen = f.get(); });
  t.join();
  EXPECT_EQ(seen, 6);
}

TEST(done_callback, added_after_completion_never_runs_inline) {
  auto t = weft::spawn([] { return 1; });
  t.join();
  bool ran = false;
  t.add_done_callback([&] { ran = true; });
  EXPECT_FALSE(ran);
  weft::yield();
  EXPECT_TRUE(ran);
}

TEST(done_callback, a_failing_one_is_reported_and_the_others_run) {
  reports.clear();
  const auto before = weft::set_error_handler(&record);
  weft::promise<int> p;
  auto f = p.get_future();
  int ran = 0;
  f.add_done_callback([&] { ++ran; });
  f.add_done_callback([] { throw std::runtime_error("bad"); });
  f.add_done_callback([] { throw 1; });
  f.add_done_callback([&] { ++ran; });
  p.set_value(1);
  weft::yield();
  weft::set_error_handler(before);
  EXPECT_EQ(ran, 2);
  EXPECT_EQ(reports, (std::vector<std::string>{"a done callback", "a done callback"}));
}

TEST(done_callback, may_not_block_but_may_spawn_and_set) {
  weft::promise<int> p;
  weft::promise<int> q;
  bool refused = false;
  bool spawned = false;
  p.get_future().add_done_callback([&] {
    try {
      weft::sleep(1ms);
    } catch (const std::logic_error&) {
      refused = true;
    }
    (void)weft::spawn([&] { spawned = true; });
    q.set_value(2);
  });
  p.set_value(1);
  EXPECT_EQ(q.get_future().get(), 2);
  weft::yield();
  EXPECT_TRUE(refused);
  EXPECT_TRUE(spawned);
}

TEST(done_callback, runs_on_the_hub_that_added_it) {
  weft::promise<int> p;
  auto f = p.get_future();
  std::thread::id ran_on;
  weft::promise<void> ran;
  f.add_done_callback([&] {
    ran_on = std::this_thread::get_id();
    ran.set_value();
  });
  std::thread setter([&] { p.set_value(1); });
  ran.get_future().get();
  setter.join();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST(done_callback, without_a_hub_on_the_thread_that_completes) {
  std::thread::id ran_on;
  std::thread([&] {
    weft::promise<int> p;
    p.get_future().add_done_callback([&] { ran_on = std::this_thread::get_id(); });
    std::thread::id setter_id;
    std::thread setter([&] {
      setter_id = std::this_thread::get_id();
      p.set_value(1);
    });
    setter.join();
    EXPECT_EQ(ran_on, setter_id);
    p.get_future().add_done_callback([&] { ran_on = std::this_thread::get_id(); });
    EXPECT_EQ(ran_on, std::this_thread::get_id());
  }).join();
}

TEST(done_callback, without_a_hub_completed_by_a_fiber_may_not_block_it) {
  weft::promise<int> p;
  auto f = p.get_future();
  bool refused = false;
  std::thread([&] {
    f.add_done_callback([&] {
      try {
        weft::yield();
      } catch (const std::logic_error&) {
        refused = true;
      }
    });
  }).join();
  weft::spawn([&] { p.set_value(1); }).join();
  EXPECT_TRUE(refused);
}

TEST(done_callback, of_an_ended_hub_runs_where_it_completes) {
  weft::promise<int> p;
  auto f = p.get_future();
  std::thread::id ran_on;
  std::thread([&] {
    weft::spawn([] {}).join();
    f.add_done_callback([&] { ran_on = std::this_thread::get_id(); });
  }).join();
  p.set_value(1);
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

} // namespace
