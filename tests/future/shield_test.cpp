// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/future/waiters.hpp"
#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

weft::task<int> after(int ms) {
  return weft::spawn([ms] {
    weft::sleep(std::chrono::milliseconds(ms));
    return ms;
  });
}

TEST(shield, ends_as_the_task_does) {
  auto value = weft::shield(after(2));
  static_assert(std::is_same_v<decltype(value), weft::future<int>>);
  EXPECT_EQ(value.get(), 2);
  EXPECT_EQ(value.exception(), nullptr);
  EXPECT_FALSE(value.was_cancelled());
  EXPECT_EQ(value.try_get(), std::optional(2));
  auto error = weft::shield([] { throw std::out_of_range("x"); });
  EXPECT_THROW(error.get(), std::out_of_range);
  auto victim = after(1000);
  auto cancelled = weft::shield(victim);
  victim.cancel();
  EXPECT_THROW(cancelled.get(), weft::task_cancelled);
  EXPECT_TRUE(cancelled.was_cancelled());
  auto done = after(0);
  done.join();
  EXPECT_TRUE(weft::shield(done).done());
}

TEST(shield, outer_cancellation_does_not_reach_the_task) {
  auto task = after(4);
  auto outer = weft::shield(task);
  EXPECT_TRUE(outer.cancel());
  EXPECT_TRUE(outer.was_cancelled());
  EXPECT_FALSE(outer.cancel());
  EXPECT_EQ(task.get(), 4);
  EXPECT_TRUE(outer.was_cancelled());
}

TEST(shield, the_value_stays_with_the_task) {
  auto task = weft::spawn([] { return std::make_unique<int>(3); });
  auto outer = weft::shield(task);
  EXPECT_EQ(*outer.get(), 3);
  EXPECT_EQ(&outer.get(), &task.get());
  const auto out = std::move(outer).get();
  EXPECT_EQ(*out, 3);
  EXPECT_EQ(task.get(), nullptr);
}

TEST(shield, keeps_the_value_when_the_task_s_handle_is_gone) {
  auto outer = weft::shield(weft::spawn([] { return std::string(100, 'x'); }));
  auto twice = weft::shield(outer);
  outer = {};
  twice.wait();
  EXPECT_EQ(twice.get().size(), 100u);
  int n = 0;
  auto reference = weft::shield([&]() -> int& { return n; });
  reference.get() = 4;
  EXPECT_EQ(n, 4);
  weft::shield([] {}).get();
  weft::shield(weft::any_task(after(0))).get();
}

TEST(shield, in_gather) {
  auto saved = after(6);
  auto lost = after(1000);
  auto all = weft::gather(weft::shield(saved), lost);
  weft::yield();
  all.cancel();
  all.wait();
  EXPECT_TRUE(lost.was_cancelled());
  EXPECT_EQ(saved.get(), 6);
  EXPECT_EQ(weft::gather(weft::shield(saved), weft::shield(saved)).get(), std::tuple(6, 6));
}

TEST(shield, around_gather) {
  auto a = after(4);
  auto all = weft::gather(a);
  auto outer = weft::spawn([&] { weft::with_timeout(1ms, weft::shield(all)); });
  EXPECT_THROW(outer.get(), weft::timeout_error);
  EXPECT_EQ(all.get(), std::tuple(4));
}

TEST(shield, from_another_thread) {
  for (int i = 0; i < 100; ++i) {
    auto task = after(i % 2);
    auto outer = weft::shield(task);
    std::thread canceller([outer] { outer.cancel(); });
    outer.wait();
    canceller.join();
    EXPECT_EQ(task.get(), i % 2);
    std::thread([task] { EXPECT_EQ(weft::shield(task).get(), task.get()); }).join();
  }
}

TEST(shield, misuse) {
  EXPECT_THROW((void)weft::shield(weft::task<int>()), weft::future_error);
  int (*null)() = nullptr;
  EXPECT_THROW((void)weft::shield(null), std::invalid_argument);
}

} // namespace
