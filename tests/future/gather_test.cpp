// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

template <class T>
weft::task<T> after(std::chrono::milliseconds span, T value) {
  return weft::spawn([span, value] {
    weft::sleep(span);
    return value;
  });
}

weft::task<int> failing(std::chrono::milliseconds span, const char* text) {
  return weft::spawn([span, text]() -> int {
    weft::sleep(span);
    throw std::runtime_error(text);
  });
}

template <class Future>
std::string error_of(const Future& f) {
  try {
    f.get();
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "none";
}

TEST(gather, results_in_argument_order_a_tuple_or_a_vector) {
  auto pack = weft::gather(after(6ms, 1), after(2ms, std::string("two")), [] { return 3.0; });
  static_assert(std::is_same_v<decltype(pack), weft::future<std::tuple<int, std::string, double>>>);
  EXPECT_EQ(pack.get(), std::tuple(1, std::string("two"), 3.0));

  std::vector tasks{after(6ms, 1), after(2ms, 2), after(4ms, 3)};
  auto range = weft::gather(tasks);
  static_assert(std::is_same_v<decltype(range), weft::future<std::vector<int>>>);
  EXPECT_EQ(range.get(), (std::vector{1, 2, 3}));
  EXPECT_EQ(tasks[0].get(), 1); // copied

  std::vector<std::function<int()>> functions{[] { return 4; }, [] { return 5; }};
  EXPECT_EQ(weft::gather(functions).get(), (std::vector{4, 5}));
}

TEST(gather, void_becomes_monostate_and_references_wrappers) {
  int n = 1;
  auto all = weft::gather([] {}, [&]() -> int& { return n; }, [] { return true; });
  static_assert(
      std::is_same_v<decltype(all),
                     weft::future<std::tuple<std::monostate, std::reference_wrapper<int>, bool>>>);
  std::get<1>(all.get()).get() = 2;
  EXPECT_EQ(n, 2);
  std::vector<weft::task<void>> tasks{weft::spawn([] {}), weft::spawn([] {})};
  EXPECT_EQ(weft::gather(tasks).get().size(), 2u);
  std::vector<weft::any_task> any{after(1ms, 1), after(1ms, std::string("x"))};
  static_assert(
      std::is_same_v<decltype(weft::gather(any)), weft::future<std::vector<std::monostate>>>);
  EXPECT_EQ(weft::gather(any).get().size(), 2u);
}

TEST(gather, move_only_results_and_large_ones) {
  auto make = [](int n) { return [n] { return std::make_unique<int>(n); }; };
  auto [a, b] = weft::gather(make(1), weft::spawn(make(2))).get();
  EXPECT_EQ(*a + *b, 3);
  std::vector<weft::task<std::unique_ptr<int>>> tasks{weft::spawn(make(3)), weft::spawn(make(4))};
  auto nested = weft::gather(weft::gather(tasks), [] { return std::string(100, 'x'); }).get();
  EXPECT_EQ(*std::get<0>(nested)[1], 4);
  EXPECT_EQ(std::get<1>(nested).size(), 100u);
}

TEST(gather, takes_results_of_what_it_spawned_and_copies_others) {
  struct counted {
    int copies = 0;
    counted() = default;
    counted(const counted& other) : copies(other.copies + 1) {}
    counted(counted&&) noexcept = default;
    counted& operator=(const counted&) = delete;
    counted& operator=(counted&&) = delete;
    ~counted() = default;
  };
  auto t = weft::spawn([] { return counted(); });
  auto all = weft::gather(t, [] { return counted(); });
  EXPECT_EQ(std::get<0>(all.get()).copies, 1);
  EXPECT_EQ(std::get<1>(all.get()).copies, 0);
  EXPECT_EQ(t.get().copies, 0);
}

TEST(gather, of_nothing_is_done_at_once) {
  auto pack = weft::gather();
  EXPECT_TRUE(pack.done());
  EXPECT_EQ(pack.get(), std::tuple<>());
  EXPECT_TRUE(weft::gather(std::vector<weft::task<int>>{}).get().empty());
  EXPECT_TRUE(weft::gather_outcomes(std::vector<weft::task<int>>{}).get().empty());
}

TEST(gather, a_duplicate_counts_each_time) {
  auto t = after(2ms, 7);
  EXPECT_EQ(weft::gather(t, t, t).get(), std::tuple(7, 7, 7));
}

TEST(gather, of_what_is_done_already_is_done) {
  auto t = after(0ms, 7);
  t.join();
  EXPECT_TRUE(weft::gather(t, t).done());
}

TEST(gather, first_exception_is_rethrown_at_once_and_the_others_run_on) {
  bool other = false;
  auto slow = weft::spawn([&] {
    weft::sleep(20ms);
    other = true;
  });
  auto all = weft::gather(slow, failing(6ms, "second"), failing(2ms, "first"));
  EXPECT_EQ(error_of(all), "first");
  EXPECT_FALSE(slow.done());
  slow.join();
  EXPECT_TRUE(other);
  EXPECT_EQ(error_of(all), "first");
}

TEST(gather, a_child_that_somebody_cancels_is_an_exception) {
  auto victim = after(1h, 1);
  auto other = after(4ms, 2);
  auto all = weft::gather(victim, other);
  weft::yield();
  victim.cancel();
  EXPECT_THROW(all.get(), weft::task_cancelled);
  EXPECT_FALSE(all.was_cancelled());
  EXPECT_EQ(other.get(), 2);
}

TEST(gather, cancelling_it_cancels_the_children) {
  bool cleaned = false;
  auto slow_to_die = weft::spawn([&] {
    try {
      weft::sleep(1h);
    } catch (const weft::cancelled&) {
      weft::sleep(5ms);
      cleaned = true;
      throw;
    }
  });
  weft::promise<int> p;
  auto all = weft::gather(slow_to_die, after(1h, 1), p.get_future());
  weft::yield();
  EXPECT_TRUE(all.cancel());
  EXPECT_FALSE(all.done()); // until all have ended
  EXPECT_TRUE(p.done());
  EXPECT_THROW(all.get(), weft::task_cancelled);
  EXPECT_TRUE(all.was_cancelled());
  EXPECT_TRUE(cleaned);
  EXPECT_FALSE(all.cancel());
}

TEST(gather, cancelled_although_a_child_swallows_it_and_failed_if_one_fails) {
  auto swallow = [] {
    try {
      weft::sleep(1h);
    } catch (const weft::cancelled&) {
    }
    return 1;
  };
  auto all = weft::gather(swallow, swallow);
  weft::yield();
  all.cancel();
  EXPECT_THROW(all.get(), weft::task_cancelled);
  auto fail = []() -> int {
    try {
      weft::sleep(1h);
    } catch (const weft::cancelled&) {
    }
    throw std::runtime_error("while ending");
  };
  auto failed = weft::gather(swallow, fail, swallow);
  weft::yield();
  failed.cancel();
  EXPECT_EQ(error_of(failed), "while ending");
}

TEST(gather, cancelling_who_waits_cancels_the_children_first) {
  bool ended = false;
  bool after_children = false;
  auto child = weft::spawn([&] {
    try {
      weft::sleep(1h);
    } catch (const weft::cancelled&) {
      weft::sleep(5ms);
      ended = true;
      throw;
    }
  });
  auto parent = weft::spawn([&] {
    try {
      weft::gather(child, after(1h, 1)).get();
    } catch (const weft::cancelled&) {
      after_children = ended;
      throw;
    }
  });
  weft::sleep(1ms);
  EXPECT_TRUE(parent.cancel());
  parent.join();
  EXPECT_TRUE(parent.was_cancelled());
  EXPECT_TRUE(child.was_cancelled());
  EXPECT_TRUE(after_children);
}

TEST(gather, a_second_request_reaches_children_that_swallowed_the_first) {
  int requests = 0;
  auto stubborn = weft::spawn([&] {
    while (requests < 2)
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        ++requests;
      }
  });
  auto parent = weft::spawn([&] { weft::gather(stubborn).wait(); });
  weft::sleep(1ms);
  parent.cancel();
  weft::sleep(1ms);
  EXPECT_FALSE(parent.done());
  parent.cancel();
  parent.join();
  EXPECT_EQ(requests, 2);
  EXPECT_TRUE(parent.was_cancelled());
}

TEST(gather, a_request_before_the_wait_counts) {
  auto child = after(1h, 1);
  auto parent = weft::spawn([&] {
    weft::current().cancel();
    weft::gather(child).get();
  });
  parent.join();
  EXPECT_TRUE(parent.was_cancelled());
  EXPECT_TRUE(child.was_cancelled());
}

TEST(gather, a_timeout_scope_around_the_wait_cancels_the_children) {
  auto child = after(1h, 1);
  weft::spawn([&] {
    weft::timeout_scope limit{5ms};
    try {
      weft::gather(child).get();
      ADD_FAILURE();
    } catch (const weft::timeout_expired& e) {
      EXPECT_EQ(e.scope(), &limit);
    }
  }).get();
  EXPECT_TRUE(child.was_cancelled());
}

TEST(gather, waiting_by_joinall_or_with_a_limit_leaves_the_children_alone) {
  auto child = after(1h, 1);
  auto all = weft::gather(child);
  EXPECT_FALSE(all.wait_for(2ms));
  auto parent = weft::spawn([&] { weft::joinall(all); });
  weft::sleep(1ms);
  parent.kill();
  EXPECT_TRUE(parent.was_cancelled());
  EXPECT_FALSE(child.done());
  all.cancel();
  all.wait();
  EXPECT_TRUE(child.was_cancelled());
}

TEST(gather, nests_and_can_be_kept) {
  auto inner = weft::gather(after(4ms, 1), after(2ms, 2));
  auto outer = weft::gather(inner, after(1ms, 3), inner);
  weft::sleep(10ms);
  EXPECT_TRUE(outer.done());
  const auto& [a, b, c] = outer.get();
  EXPECT_EQ(a, std::tuple(1, 2));
  EXPECT_EQ(b, 3);
  EXPECT_EQ(c, a);
  // Cancelling the outer one reaches the innermost.
  auto leaf = after(1h, 1);
  auto tree = weft::gather(weft::gather(weft::gather(leaf)), after(1h, 2));
  weft::yield();
  tree.cancel();
  tree.wait();
  EXPECT_TRUE(leaf.was_cancelled());
}

TEST(gather, dropped_the_children_run_on) {
  int done = 0;
  {
    auto dropped = weft::gather([&] { ++done; },
                                [&] {
                                  weft::sleep(2ms);
                                  ++done;
                                });
  }
  weft::sleep(10ms);
  EXPECT_EQ(done, 2);
}

TEST(gather, callbacks_of_children_come_before_its_waiter) {
  std::string order;
  auto t = weft::spawn([] { return 1; });
  t.add_done_callback([&] { order += "c"; });
  auto all = weft::gather(t);
  all.add_done_callback([&] { order += "g"; });
  all.get();
  order += "w";
  EXPECT_EQ(order, "cgw");
}

TEST(gather, a_result_that_cannot_be_copied_now_is_an_exception) {
  struct picky {
    picky() = default;
    picky(const picky&) { throw std::runtime_error("no copy"); }
    picky(picky&&) noexcept = default;
    picky& operator=(const picky&) = delete;
    picky& operator=(picky&&) = delete;
    ~picky() = default;
  };
  auto t = weft::spawn([] { return picky(); });
  EXPECT_EQ(error_of(weft::gather(t)), "no copy");
}

TEST(gather, a_result_whose_copy_blocks_is_refused) {
  struct sleeper {
    sleeper() = default;
    sleeper(const sleeper&) { weft::sleep(1ms); }
    sleeper(sleeper&&) noexcept = default;
    sleeper& operator=(const sleeper&) = delete;
    sleeper& operator=(sleeper&&) = delete;
    ~sleeper() = default;
  };
  auto t = weft::spawn([] { return sleeper(); });
  EXPECT_THROW(weft::gather(t).get(), std::logic_error);
}

TEST(gather, misuse) {
  EXPECT_THROW((void)weft::gather(weft::task<int>()), weft::future_error);
  EXPECT_THROW((void)weft::gather(std::vector<weft::any_task>(2)), weft::future_error);
  std::vector<std::function<int()>> null(1);
  EXPECT_THROW((void)weft::gather(null), std::invalid_argument);
  EXPECT_THROW((void)weft::gather_outcomes(weft::task<int>()), weft::future_error);
}

TEST(gather, in_a_callback_but_not_waited_for_there) {
  auto t = after(1ms, 1);
  weft::future<std::tuple<int>> all;
  bool refused = false;
  weft::call_later(0ms, [&] {
    all = weft::gather(t);
    try {
      all.wait();
    } catch (const std::logic_error&) {
      refused = true;
    }
  });
  t.join();
  EXPECT_TRUE(refused);
  EXPECT_EQ(std::get<0>(all.get()), 1);
}

// gather_outcomes -----------------------------------------------------------

TEST(gather_outcomes, of_each_a_value_an_exception_or_cancelled) {
  auto never = weft::spawn([] { return 1.5; });
  never.cancel();
  auto [value, error, cancelled, nothing] =
      weft::gather_outcomes(after(3ms, 5), failing(1ms, "bad"), never, [] {}).get();
  static_assert(std::is_same_v<decltype(value), weft::outcome<int>>);
  static_assert(std::is_same_v<decltype(nothing), weft::outcome<void>>);
  ASSERT_TRUE(value);
  EXPECT_EQ(*value, 5);
  EXPECT_EQ(value.value(), 5);
  EXPECT_EQ(value.error(), nullptr);
  EXPECT_FALSE(error);
  EXPECT_FALSE(error.cancelled());
  EXPECT_THROW((void)error.value(), std::runtime_error);
  EXPECT_FALSE(cancelled.has_value());
  EXPECT_TRUE(cancelled.cancelled());
  EXPECT_THROW((void)cancelled.value(), weft::task_cancelled);
  EXPECT_TRUE(nothing.has_value());
}

TEST(gather_outcomes, move_only_values) {
  std::vector<weft::task<std::unique_ptr<int>>> tasks{
      weft::spawn([] { return std::make_unique<int>(4); })};
  auto all = weft::gather_outcomes(tasks).get();
  EXPECT_EQ(**all[0], 4);
  const std::unique_ptr<int> out = std::move(all[0]).value();
  EXPECT_EQ(*out, 4);
}

TEST(gather_outcomes, cancelling_it_cancels_the_children_and_it) {
  auto a = after(1h, 1);
  auto all = weft::gather_outcomes(a, after(1h, 2));
  weft::yield();
  EXPECT_TRUE(all.cancel());
  EXPECT_THROW(all.get(), weft::task_cancelled);
  EXPECT_TRUE(all.was_cancelled());
  EXPECT_TRUE(a.was_cancelled());
}

// From other threads --------------------------------------------------------

TEST(gather_threads, children_of_two_hubs_and_a_bare_thread) {
  for (int i = 0; i < 50; ++i) {
    weft::promise<std::string> p;
    auto own = after(i % 2 ? 1ms : 0ms, 1);
    std::thread other([&, own, f = p.get_future()] {
      auto here = weft::spawn([] { return 2; });
      EXPECT_EQ(weft::gather(own, here, f).get(), std::tuple(1, 2, std::string("set")));
    });
    std::thread bare([&, own, f = p.get_future()] {
      auto all = weft::gather(own, f);
      EXPECT_EQ(all.get(), std::tuple(1, std::string("set")));
      EXPECT_FALSE(weft::current().valid());
    });
    std::thread setter([&] { p.set_value("set"); });
    EXPECT_EQ(weft::gather(own, p.get_future()).get(), std::tuple(1, std::string("set")));
    other.join();
    bare.join();
    setter.join();
  }
}

TEST(gather_threads, cancelled_from_another_thread_while_children_end) {
  for (int i = 0; i < 100; ++i) {
    auto all = weft::gather(after(std::chrono::milliseconds(i % 2), 1), after(1h, 2));
    std::thread canceller([all] { EXPECT_TRUE(all.cancel()); });
    EXPECT_THROW(all.get(), weft::task_cancelled);
    canceller.join();
  }
}

TEST(gather_threads, its_thread_ends_before_the_children) {
  for (int i = 0; i < 30; ++i) {
    auto own = after(2ms, 1);
    weft::future<std::tuple<int>> kept;
    std::thread([&] {
      weft::spawn([] {}).join();
      kept = weft::gather(own);
    }).join();
    EXPECT_EQ(kept.get(), std::tuple(1));
  }
}

TEST(gather, of_a_cancelled_child_is_not_reported_when_nobody_looks) {
  static int reports = 0;
  const auto before =
      weft::set_error_handler([](const char*, std::exception_ptr) noexcept { ++reports; });
  {
    auto child = weft::spawn([] { weft::sleep(1h); });
    auto unseen = weft::gather(child);
    child.kill();
    auto failing = weft::gather([] { throw std::runtime_error("seen by nobody"); });
    failing.wait();
    EXPECT_EQ(reports, 0);
  }
  weft::set_error_handler(before);
  EXPECT_EQ(reports, 1); // the failure
}

} // namespace
