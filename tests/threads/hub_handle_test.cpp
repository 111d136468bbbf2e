// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/threads/eventually.hpp"
#include "weft/weft.hpp"

namespace weft::test {
namespace {

TEST(call_soon, in_order_and_never_inline) {
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i)
    call_soon([&, i] { order.push_back(i); });
  EXPECT_TRUE(order.empty());
  yield();
  ASSERT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(call_soon, in_order_whoever_queues) {
  std::vector<int> order;
  auto a = spawn([&] {
    call_soon([&] {
      order.push_back(1);
      call_soon([&] { order.push_back(4); });
    });
    (void)spawn([&] { call_soon([&] { order.push_back(3); }); });
    call_soon([&] { order.push_back(2); });
  });
  a.join();
  for (int i = 0; i < 4; ++i)
    yield();
  EXPECT_EQ(order, (std::vector{1, 2, 3, 4}));
}

TEST(call_soon, behind_what_is_ready) {
  std::vector<int> order;
  auto a = spawn([&] {
    yield();
    order.push_back(1);
  });
  yield();
  call_soon([&] { order.push_back(2); });
  a.join();
  yield();
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST(call_soon, takes_arguments_and_move_only_callables) {
  int sum = 0;
  call_soon([&sum](int a, const std::unique_ptr<int>& b) { sum = a + *b; }, 1,
            std::make_unique<int>(2));
  call_soon([p = std::make_unique<int>(3), &sum] { sum += *p; });
  yield();
  EXPECT_EQ(sum, 6);
}

std::vector<std::string> reports;

TEST(call_soon, may_not_block_and_what_it_throws_is_reported) {
  reports.clear();
  const auto before = set_error_handler(
      [](const char* where, std::exception_ptr) noexcept { reports.push_back(where); });
  bool later = false;
  call_soon([] { sleep(1ms); }); // std::logic_error
  call_soon([] { throw 1; });
  call_soon([&] { later = true; });
  yield();
  set_error_handler(before);
  EXPECT_EQ(reports, (std::vector<std::string>(2, "a call_soon callback")));
  EXPECT_TRUE(later);
}

TEST(call_soon, null_is_refused) {
  EXPECT_THROW(call_soon(std::function<void()>()), std::invalid_argument);
  void (*null)() = nullptr;
  EXPECT_THROW(call_soon_threadsafe(this_hub_handle(), null), std::invalid_argument);
}

TEST(call_soon, makes_the_threads_hub) {
  std::thread([] {
    bool ran = false;
    call_soon([&] { ran = true; });
    EXPECT_FALSE(ran);
    sleep(1ms);
    EXPECT_TRUE(ran);
  }).join();
}

TEST(hub_handle, is_shared_and_comparable) {
  const hub_handle none;
  EXPECT_FALSE(none.valid());
  EXPECT_FALSE(none.alive());
  EXPECT_FALSE(call_soon_threadsafe(none, [] {}));
  hub_handle mine = this_hub_handle();
  EXPECT_TRUE(mine.valid());
  EXPECT_TRUE(mine.alive());
  EXPECT_EQ(mine, this_hub_handle());
  hub_handle copy = mine;
  EXPECT_EQ(copy, mine);
  const hub_handle moved = std::move(copy);
  EXPECT_EQ(moved, mine);
  mine = none;
  EXPECT_NE(moved, mine);
  std::thread([&] { EXPECT_NE(this_hub_handle(), moved); }).join();
}

TEST(call_soon_threadsafe, wakes_a_sleeping_hub_and_keeps_each_threads_order) {
  constexpr int threads = 4, each = 1000;
  const hub_handle hub = this_hub_handle();
  std::vector<std::vector<int>> seen(threads);
  std::thread::id mine = std::this_thread::get_id();
  promise<void> all;
  int count = 0;
  std::vector<std::thread> others;
  for (int t = 0; t < threads; ++t)
    others.emplace_back([&, t] {
      for (int i = 0; i < each; ++i)
        EXPECT_TRUE(call_soon_threadsafe(hub, [&, t, i] {
          EXPECT_EQ(std::this_thread::get_id(), mine);
          seen[static_cast<std::size_t>(t)].push_back(i);
          if (++count == threads * each) all.set_value();
        }));
    });
  all.get_future().get();
  for (auto& t : others)
    t.join();
  for (auto& one : seen)
    EXPECT_TRUE(std::is_sorted(one.begin(), one.end()));
}

TEST(call_soon_threadsafe, on_ones_own_hub) {
  int n = 0;
  call_soon([&] { n = 1; });
  EXPECT_TRUE(call_soon_threadsafe(this_hub_handle(), [&] { n *= 2; }));
  EXPECT_EQ(n, 0);
  yield();
  EXPECT_EQ(n, 2);
}

TEST(call_soon_threadsafe, starts_a_fiber_there) {
  const hub_handle hub = this_hub_handle();
  promise<std::thread::id> ran;
  std::thread other([&] {
    call_soon_threadsafe(hub, [&] {
      (void)spawn([&] {
        sleep(1ms);
        ran.set_value(std::this_thread::get_id());
      });
    });
  });
  EXPECT_EQ(ran.get_future().get(), std::this_thread::get_id());
  other.join();
}

TEST(call_soon_threadsafe, of_a_dead_hub_is_false) {
  hub_handle hub;
  std::thread([&] {
    hub = this_hub_handle();
    EXPECT_TRUE(hub.alive());
  }).join();
  EXPECT_TRUE(hub.valid());
  EXPECT_FALSE(hub.alive());
  const auto held = std::make_shared<int>(0);
  EXPECT_FALSE(call_soon_threadsafe(hub, [held] { std::abort(); }));
  EXPECT_EQ(held.use_count(), 1);
}

TEST(call_soon_threadsafe, while_the_hub_ends_it_is_called_or_false) {
  for (int round = 0; round < 100; ++round) {
    std::atomic<bool> go = false;
    hub_handle hub;
    std::atomic<int> called = 0;
    std::thread target([&] {
      hub = this_hub_handle();
      go = true;
    });
    int accepted = 0;
    while (!go)
      std::this_thread::yield();
    while (call_soon_threadsafe(hub, [&] { ++called; }))
      ++accepted;
    target.join();
    EXPECT_EQ(called, accepted);
  }
}

#if !defined(__SANITIZE_THREAD__) // which refuses threads in a child of a process that had some
TEST(call_soon_threadsafe, in_a_forked_child_other_hubs_are_dead) {
  const hub_handle mine = this_hub_handle();
  std::atomic<bool> stop = false, ready = false;
  hub_handle theirs;
  std::thread other([&] {
    theirs = this_hub_handle();
    ready = true;
    while (!stop)
      sleep(1ms);
  });
  EXPECT_TRUE(eventually([&] { return ready.load(); }));
  const pid_t child = fork();
  if (child == 0) {
    if (theirs.alive() || call_soon_threadsafe(theirs, [] {})) std::_Exit(1);
    bool ran = false;
    if (!mine.alive() || !call_soon_threadsafe(mine, [&] { ran = true; })) std::_Exit(2);
    yield();
    std::_Exit(ran ? 0 : 3);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  stop = true;
  other.join();
}
#endif

} // namespace
} // namespace weft::test
