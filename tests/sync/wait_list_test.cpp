// SPDX-License-Identifier: BSL-1.0
#include "weft/detail/wait_list.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <limits>
#include <mutex>
#include <random>

#include "tests/sync/places.hpp"

namespace weft::test {
namespace {

using detail::sync_lock;
using detail::wait_list;
using detail::waited;
using detail::waiter;

constexpr auto call = detail::blocking_call::event_wait;
constexpr std::int64_t for_ever = std::numeric_limits<std::int64_t>::max();

/// The simplest that can be made of it: lets one pass for each `let_pass` that finds a waiter.
struct gate {
  sync_lock lock;
  wait_list waiters;

  waited pass(std::int64_t until = for_ever) {
    std::unique_lock held(lock);
    waiter self;
    waiters.push_back(self);
    const auto how = wait_in(held, waiters, self, until, call);
    EXPECT_EQ(held.owns_lock(), how != waited::woken);
    if (how != waited::woken) {
      EXPECT_FALSE(waiters.contains(self));
      finish_wait(held, how); // throws if it was interrupted
    }
    return how;
  }
  bool let_pass() {
    std::unique_lock held(lock);
    if (waiters.empty()) return false;
    waiter* const next = waiters.take_front();
    held.unlock();
    detail::resume(*next);
    return true;
  }
};

std::vector<const waiter*> chain_of(const waiter* first) {
  std::vector<const waiter*> all;
  for (; first; first = first->next)
    all.push_back(first);
  return all;
}

TEST(wait_list, keeps_its_order) {
  wait_list list;
  waiter a, b, c, d;
  using chain = std::vector<const waiter*>;
  EXPECT_TRUE(list.empty());
  EXPECT_FALSE(list.contains(a));
  EXPECT_FALSE(list.remove(a));
  list.push_back(b);
  list.push_back(c);
  list.push_back(d);
  list.push_front(a);
  EXPECT_EQ(chain_of(list.first()), (chain{&a, &b, &c, &d}));
  EXPECT_TRUE(list.remove(c));
  EXPECT_FALSE(list.remove(c));
  EXPECT_FALSE(list.contains(c));
  EXPECT_TRUE(list.contains(d));
  EXPECT_TRUE(list.remove(d));
  list.push_back(c);
  EXPECT_EQ(chain_of(list.first()), (chain{&a, &b, &c}));
  EXPECT_EQ(list.take_front(), &a);
  EXPECT_FALSE(list.contains(a));
  EXPECT_EQ(chain_of(list.first()), (chain{&b, &c}));
  EXPECT_TRUE(list.remove(b));
  EXPECT_TRUE(list.remove(c));
  EXPECT_TRUE(list.empty());
}

TEST(wait_list, takes_chains) {
  wait_list list;
  waiter a, b, c, d;
  using chain = std::vector<const waiter*>;
  EXPECT_EQ(list.take(3), nullptr);
  EXPECT_EQ(list.take_all(), nullptr);
  for (waiter* w : {&a, &b, &c, &d})
    list.push_back(*w);
  EXPECT_EQ(list.take(0), nullptr);
  EXPECT_EQ(chain_of(list.take(2)), (chain{&a, &b}));
  EXPECT_FALSE(list.remove(a));
  EXPECT_FALSE(list.remove(b));
  EXPECT_EQ(chain_of(list.first()), (chain{&c, &d}));
  EXPECT_TRUE(list.remove(c));
  list.push_back(c);
  EXPECT_EQ(chain_of(list.take(5)), (chain{&d, &c}));
  EXPECT_TRUE(list.empty());
  list.push_back(a);
  list.push_back(b);
  EXPECT_EQ(chain_of(list.take_all()), (chain{&a, &b}));
  EXPECT_FALSE(list.contains(a));
  EXPECT_FALSE(list.contains(b));
  EXPECT_TRUE(list.empty());
}

TEST(wait_list, does_not_wait_where_there_is_no_time) {
  gate g;
  EXPECT_EQ(g.pass(0), waited::timed_out);
  spawn([&] { EXPECT_EQ(g.pass(0), waited::timed_out); }).get();
  std::thread([&] { EXPECT_EQ(g.pass(0), waited::timed_out); }).join();
  EXPECT_FALSE(g.let_pass());
}

TEST(wait_list, what_is_pending_is_thrown_instead_of_waiting) {
  gate g;
  for (const std::int64_t until : {for_ever, std::int64_t{0}}) {
    auto t = spawn([&] {
      current().cancel();
      g.pass(until);
    });
    t.join();
    EXPECT_TRUE(t.was_cancelled());
  }
  EXPECT_FALSE(g.let_pass());
}

TEST(wait_list, what_may_not_be_thrown_stays_pending) {
  gate g;
  bool passed = false;
  auto t = spawn([&] {
    current().cancel();
    [&]() noexcept { EXPECT_EQ(g.pass(), waited::woken); }();
    passed = true;
    yield();
    ADD_FAILURE() << "the request was lost";
  });
  yield();
  EXPECT_TRUE(g.let_pass());
  t.join();
  EXPECT_TRUE(passed);
  EXPECT_TRUE(t.was_cancelled());
}

TEST(wait_list, woken_after_an_interruption_or_time_out_it_was_woken) {
  gate g;
  bool passed = false;
  auto interrupted = spawn([&] { passed = g.pass() == waited::woken; });
  yield();
  interrupted.cancel(); // ready now
  EXPECT_TRUE(g.let_pass());
  interrupted.join();
  EXPECT_TRUE(passed);
}

TEST(wait_list, a_callback_may_not_wait) {
  in_callback([] { EXPECT_THROW(waiter{}, std::logic_error); });
}

// Its wake-up comes while it is parked in something else, which that must not end.
TEST(wait_list, a_wake_up_is_for_its_own_wait_only) {
  sync_lock lock;
  wait_list list;
  spawn([&] {
    waiter self;
    {
      const std::lock_guard held(lock);
      list.push_back(self);
    }
    std::thread waker([&] {
      std::unique_lock held(lock);
      waiter* const w = list.take_front();
      held.unlock();
      detail::resume(*w);
    });
    const auto start = clock_type::now();
    sleep(30ms);
    EXPECT_GE(clock_type::now() - start, 30ms);
    waker.join();
    EXPECT_FALSE(list.contains(self));
    detail::wait_until_woken(self, call);
    sleep(1ms);
  }).get();
}

#if !defined(__SANITIZE_THREAD__) // which takes a fiber that forks for a thread
TEST(wait_list, waiters_of_before_a_fork_are_not_in_the_child) {
  gate g;
  auto t = spawn([&] { g.pass(); });
  auto forker = spawn([&] {
    const pid_t child = fork();
    if (child == 0) {
      bool right = g.waiters.empty() && !g.let_pass();
      auto own = spawn([&] { g.pass(); });
      yield();
      right = right && g.let_pass();
      own.join();
      right = right && g.waiters.empty() && g.pass(0) == waited::timed_out;
      _exit(right ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status;
  });
  EXPECT_EQ(forker.get(), 0);
  EXPECT_TRUE(g.let_pass());
  t.get();
}
#endif

class wait_list_at : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(places, wait_list_at, all_places, name_of);

// Every wake-up that was given out arrived: never at one who left, never twice.
TEST_P(wait_list_at, time_outs_race_with_wake_ups) {
  gate g;
  std::atomic<int> woken{0}, left{5};
  int given = 0;
  run_at(GetParam(), 6, [&](int party) {
    if (party == 5) {
      while (left != 0) {
        given += g.let_pass();
        yield();
        sleep(10us);
      }
      return;
    }
    std::minstd_rand random(static_cast<unsigned>(party) + 1);
    for (int i = 0; i < 400; ++i) {
      const auto limit = deadline(std::chrono::microseconds(random() % 100)).absolute();
      woken += g.pass(limit) == waited::woken;
    }
    --left;
  });
  EXPECT_EQ(woken, given);
  EXPECT_TRUE(g.waiters.empty());
}

TEST(wait_list, cancellations_race_with_wake_ups_from_another_thread) {
  gate g;
  std::atomic<bool> stop{false};
  std::atomic<int> given{0};
  int woken = 0, interrupted = 0;
  std::thread waker([&] {
    while (!stop) {
      given += g.let_pass();
      std::this_thread::yield();
    }
  });
  spawn([&] {
    for (int i = 0; i < 2000; ++i) {
      auto t = spawn([&] {
        try {
          woken += g.pass() == waited::woken;
        } catch (const cancelled&) {
          ++interrupted;
        }
      });
      yield();
      if (i % 3 == 0) std::this_thread::yield();
      t.cancel();
      t.join();
    }
  }).get();
  stop = true;
  waker.join();
  EXPECT_EQ(woken, given);
  // One cancelled before it began was neither.
  EXPECT_LE(woken + interrupted, 2000);
  EXPECT_TRUE(g.waiters.empty());
}

// The waiter's fiber and its hub end as soon as they are woken.
TEST(wait_list, the_hub_of_a_waiter_ends_after_its_wake_up) {
  for (int i = 0; i < 200; ++i) {
    gate g;
    std::thread other([&] { spawn([&] { g.pass(); }).get(); });
    while (!g.let_pass())
      std::this_thread::yield();
    other.join();
  }
}

} // namespace
} // namespace weft::test
