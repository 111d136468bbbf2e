// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/threads/eventually.hpp"
#include "weft/weft.hpp"

namespace weft::test {
namespace {

TEST(offload, calls_elsewhere_and_gives_every_kind_of_result) {
  EXPECT_NE(offload([] { return std::this_thread::get_id(); }), std::this_thread::get_id());
  EXPECT_EQ(*offload([] { return std::make_unique<int>(1); }), 1);
  int n = 0;
  offload([&] { n = 2; });
  EXPECT_EQ(n, 2);
  EXPECT_EQ(&offload([&]() -> int& { return n; }), &n);
  EXPECT_THROW(offload([] { throw std::out_of_range("x"); }), std::out_of_range);
  const std::optional<int> limited = offload(10s, [] { return 3; });
  EXPECT_EQ(limited, 3);
  EXPECT_TRUE(offload(10s, [] {}));
  std::function<void()> null;
  EXPECT_THROW(offload(null), std::invalid_argument);
}

TEST(offload, other_fibers_run_meanwhile) {
  std::atomic<bool> stop = false;
  auto ticker = spawn([&] {
    for (int i = 0; i < 5; ++i)
      sleep(1ms);
    stop = true;
  });
  offload([&] {
    while (!stop)
      std::this_thread::yield();
  });
  EXPECT_TRUE(ticker.join(10s));
}

TEST(offload, cancelled_waits_for_what_began) {
  gate g;
  std::atomic<bool> began = false, ended = false;
  auto t = spawn([&] {
    std::string local = "local";
    offload([&] {
      began = true;
      g.pass();
      local += " still there";
      ended = true;
    });
  });
  yield();
  EXPECT_TRUE(eventually([&] { return began.load(); }));
  t.cancel();
  sleep(2ms);
  EXPECT_FALSE(t.done());
  g.open();
  t.join();
  EXPECT_TRUE(ended);
  EXPECT_TRUE(t.was_cancelled());
}

TEST(offload, a_deadline_does_not_end_what_began) {
  const std::optional<int> result = offload(5ms, [] {
    std::this_thread::sleep_for(30ms);
    return 1;
  });
  EXPECT_EQ(result, 1);
}

TEST(offload, a_thousand_fibers) {
  int sum = 0;
  std::vector<task<void>> all;
  for (int i = 0; i < 1000; ++i)
    all.push_back(spawn([&, i] { sum += offload([i] { return i; }); }));
  joinall(all);
  EXPECT_EQ(sum, 999 * 500);
}

TEST(offload, what_did_not_begin_is_taken_out) {
  // So many that all threads are busy.
  gate g;
  std::atomic<int> running = 0;
  std::vector<task<void>> busy;
  for (int i = 0; i < 128; ++i)
    busy.push_back(spawn([&] {
      offload([&] {
        ++running;
        g.pass();
      });
    }));
  yield();
  EXPECT_TRUE(eventually([&] { return running == 128; }));
  bool ran = false;
  EXPECT_FALSE(offload(5ms, [&] { ran = true; }));
  auto t = spawn([&] { offload([&] { ran = true; }); });
  sleep(1ms);
  t.kill();
  EXPECT_TRUE(t.was_cancelled());
  g.open();
  joinall(busy);
  offload([] {});
  EXPECT_FALSE(ran);
}

TEST(offload, inside_a_callback_is_refused) {
  promise<bool> refused;
  call_soon([&] {
    try {
      offload([] {});
      refused.set_value(false);
    } catch (const std::logic_error&) {
      refused.set_value(true);
    }
  });
  EXPECT_TRUE(refused.get_future().get());
}

TEST(offload, without_a_hub_is_a_plain_call) {
  std::thread([] {
    EXPECT_EQ(offload([] { return std::this_thread::get_id(); }), std::this_thread::get_id());
  }).join();
}

} // namespace
} // namespace weft::test
