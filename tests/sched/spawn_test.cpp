// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(spawn, never_runs_inline) {
  bool ran = false;
  auto t = weft::spawn([&] { ran = true; });
  EXPECT_FALSE(ran);
  EXPECT_FALSE(t.done());
  t.join();
  EXPECT_TRUE(ran);
}

TEST(spawn, first_spawn_makes_the_hub_and_waiting_never_does) {
  std::thread([] {
    weft::sleep(1ms);
    weft::yield();
    EXPECT_FALSE(weft::current().valid());
    weft::spawn([] {}).join();
    EXPECT_TRUE(weft::current().valid());
  }).join();
}

TEST(spawn, thread_itself_is_a_fiber) {
  std::vector<int> order;
  auto t = weft::spawn([&] { order.push_back(1); });
  weft::yield(); // the thread's own fiber gives way like any other
  order.push_back(2);
  EXPECT_TRUE(t.done());
  EXPECT_EQ(order, (std::vector{1, 2}));
  EXPECT_EQ(weft::current().name(), "main");
}

TEST(spawn, arguments_are_decay_copied_and_moved_into_the_call) {
  auto p = std::make_unique<int>(7);
  auto t = weft::spawn([](std::unique_ptr<int> q) { return *q; }, std::move(p));
  EXPECT_EQ(t.get(), 7);

  std::string text = "before";
  auto u = weft::spawn([](const std::string& s) { return s; }, text);
  text = "after";
  EXPECT_EQ(u.get(), "before");

  int n = 1;
  weft::spawn([](int& r) { r = 2; }, std::ref(n)).join();
  EXPECT_EQ(n, 2);
}

struct counter {
  int value = 5;
  int add(int n) { return value += n; }
};

TEST(spawn, takes_anything_invocable) {
  counter c;
  EXPECT_EQ(weft::spawn(&counter::add, &c, 3).get(), 8);
  EXPECT_EQ(weft::spawn(&counter::value, &c).get(), 8);
  std::function<int()> f = [] { return 1; };
  EXPECT_EQ(weft::spawn(f).get(), 1);
  EXPECT_EQ(weft::spawn(
                +[](int x) { return x; }, 9)
                .get(),
            9);
  struct move_only {
    std::unique_ptr<int> p = std::make_unique<int>(3);
    int operator()() && { return *p; }
  };
  EXPECT_EQ(weft::spawn(move_only{}).get(), 3);
}

TEST(spawn, null_callables_are_refused) {
  int (*null)() = nullptr;
  EXPECT_THROW((void)weft::spawn(null), std::invalid_argument);
  EXPECT_THROW((void)weft::spawn(std::function<void()>()), std::invalid_argument);
}

TEST(spawn, large_callables_and_results) {
  std::array<int, 1000> big{};
  big[999] = 4;
  auto t = weft::spawn([big] { return big; });
  EXPECT_EQ(t.get()[999], 4);
  struct alignas(64) aligned {
    char c = 'x';
  };
  auto u = weft::spawn([a = aligned{}] {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&a) % 64, 0u);
    return a;
  });
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&u.get()) % 64, 0u);
}

/// Bytes that know whether they are still what they were made of.
template <std::size_t Size>
struct pattern {
  explicit pattern(unsigned char first) {
    for (auto& byte : bytes)
      byte = first++;
  }
  [[nodiscard]] bool holds(unsigned char first) const {
    return std::all_of(bytes.begin(), bytes.end(), [&](auto byte) { return byte == first++; });
  }
  std::array<unsigned char, Size> bytes;
};

template <std::size_t Callable, std::size_t Result>
void spawn_with_sizes() {
  std::vector<weft::task<pattern<Result>>> tasks;
  for (unsigned char i = 0; i < 3; ++i)
    tasks.push_back(weft::spawn([i, given = pattern<Callable>(i)] {
      const pattern<Result> result(i + 1);
      weft::yield();
      EXPECT_TRUE(given.holds(i));
      return result;
    }));
  for (unsigned char i = 0; i < 3; ++i)
    EXPECT_TRUE(tasks[i].get().holds(i + 1)) << Callable << " and " << Result << " bytes";
}

TEST(spawn, callables_and_results_of_every_size_beside_each_other) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (spawn_with_sizes<I + 1, 1>(), ...);
    (spawn_with_sizes<1, I + 1>(), ...);
    (spawn_with_sizes<I + 1, 41 - I>(), ...);
  }
  (std::make_index_sequence<40>());
}

template <std::size_t Alignment, std::size_t Result>
void spawn_aligned() {
  struct alignas(Alignment) aligned {
    std::array<char, 48> bytes{};
  };
  // Neighbours in memory: what one writes beyond its end is another's.
  std::vector<weft::task<pattern<Result>>> tasks;
  for (unsigned char i = 0; i < 20; ++i)
    tasks.push_back(weft::spawn([i, a = aligned{}] {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&a) % Alignment, 0u);
      return pattern<Result>(i);
    }));
  for (unsigned char i = 0; i < 20; ++i)
    EXPECT_TRUE(tasks[i].get().holds(i)) << Alignment << ", " << Result << " bytes";
}

TEST(spawn, aligned_callables_beside_results_stay_in_their_blocks) {
  spawn_aligned<16, 1>();
  spawn_aligned<16, 24>();
  spawn_aligned<16, 25>();
  spawn_aligned<64, 1>();
  spawn_aligned<64, 24>();
  spawn_aligned<64, 4000>();
}

TEST(spawn, a_callable_whose_copy_throws_leaves_nothing_behind) {
  struct throws {
    throws() = default;
    throws(const throws&) { throw std::runtime_error("no copy"); }
    void operator()() {}
  };
  const throws f;
  weft::spawn([] {}).join();
  const auto before = weft::all_tasks().size();
  EXPECT_THROW((void)weft::spawn(f), std::runtime_error);
  EXPECT_THROW((void)weft::spawn({.name = "x"}, f), std::runtime_error);
  EXPECT_EQ(weft::all_tasks().size(), before);
}

TEST(spawn, options) {
  auto t = weft::spawn({.name = "reader", .stack_size = std::size_t{1} << 20}, [] {
    volatile char deep[900 * 1024];
    deep[0] = 1;
    deep[sizeof deep - 1] = 2;
    return weft::current().name() + std::to_string(deep[0] + deep[sizeof deep - 1]);
  });
  EXPECT_EQ(t.name(), "reader");
  EXPECT_EQ(t.get(), "reader3");
  EXPECT_THROW((void)weft::spawn({.stack_size = std::size_t{1} << 40}, [] {}), std::length_error);
}

TEST(spawn, callable_and_arguments_die_with_the_fiber) {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  auto t = weft::spawn([held = std::move(held)] { return *held; });
  t.join();
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(t.get(), 1);
}

TEST(handles, are_copyable_and_shared) {
  auto t = weft::spawn([] { return std::string("value"); });
  const auto u = t;
  EXPECT_EQ(t, u);
  EXPECT_EQ(u.get(), "value");
  EXPECT_EQ(t.get(), "value");
  EXPECT_EQ(&t.get(), &u.get());
  EXPECT_EQ(std::move(t).get(), "value");
  EXPECT_FALSE(t.valid());
  EXPECT_THROW(t.get(), weft::future_error);
  EXPECT_THROW(t.join(), weft::future_error);
  EXPECT_FALSE(t.cancel());
}

TEST(handles, move_only_void_and_reference_results) {
  auto t = weft::spawn([] { return std::make_unique<int>(3); });
  EXPECT_EQ(*t.get(), 3);
  const std::unique_ptr<int> taken = std::move(t).get();
  EXPECT_EQ(*taken, 3);
  weft::spawn([] {}).get();
  int n = 1;
  auto r = weft::spawn([&]() -> int& { return n; });
  r.get() = 5;
  EXPECT_EQ(n, 5);
  std::move(r).get() = 6;
  EXPECT_EQ(n, 6);
}

TEST(handles, dropping_them_lets_the_fiber_run_on) {
  int ran = 0;
  for (int i = 0; i < 10; ++i)
    (void)weft::spawn([&] {
      weft::sleep(1ms);
      ++ran;
    });
  weft::sleep(50ms);
  EXPECT_EQ(ran, 10);
}

TEST(handles, a_result_outlives_the_hub_that_made_it) {
  weft::task<std::string> t;
  std::thread([&] {
    t = weft::spawn([] { return std::string(100, 'x'); });
    t.join();
  }).join();
  EXPECT_EQ(t.get(), std::string(100, 'x'));
}

TEST(spawn_later, starts_when_it_is_due) {
  const auto start = std::chrono::steady_clock::now();
  auto t = weft::spawn_later(
      20ms, [](int x) { return x; }, 4);
  weft::yield();
  EXPECT_FALSE(t.done());
  EXPECT_EQ(t.get(), 4);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
}

TEST(spawn_later, cancelled_before_it_never_runs) {
  bool ran = false;
  auto t = weft::spawn_later(10ms, [&] { ran = true; });
  EXPECT_TRUE(t.cancel());
  t.join();
  EXPECT_TRUE(t.was_cancelled());
  weft::sleep(20ms);
  EXPECT_FALSE(ran);
}

TEST(introspection, current_and_all_tasks) {
  weft::any_task inside;
  auto t = weft::spawn([&] { inside = weft::current(); });
  auto u = weft::spawn_later(1h, [] {});
  auto tasks = weft::all_tasks();
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[0], t);
  EXPECT_EQ(tasks[1], u);
  t.join();
  EXPECT_EQ(inside, t);
  EXPECT_EQ(inside.id(), t.id());
  EXPECT_EQ(t.name(), "fiber-" + std::to_string(t.id()));
  u.kill();
  EXPECT_TRUE(weft::all_tasks().empty());
}

} // namespace
