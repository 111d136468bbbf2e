// SPDX-License-Identifier: BSL-1.0
// Signals are waited for as anything else is.
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <system_error>
#include <thread>

#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

std::atomic<int> own_handler_calls{0};

/// SIGUSR1 as a program has it that handles it.
class signal_set_test : public testing::Test {
 protected:
  void SetUp() override {
    own_handler_calls = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { ++own_handler_calls; };
    ::sigaction(SIGUSR1, &action, &before_);
  }
  void TearDown() override { ::sigaction(SIGUSR1, &before_, nullptr); }

 private:
  struct sigaction before_ {};
};

/// Lets others run until `condition()`, within reason.
template <class F>
bool comes_true(F condition) {
  for (const auto give_up = clock::now() + 20s; clock::now() < give_up; sleep(100us))
    if (condition()) return true;
  return false;
}

/// A descriptor number that is free, to see that none is lost.
int lowest_free() {
  const int fd = ::dup(0);
  ::close(fd);
  return fd;
}

using signal_wait = signal_set_test;

TEST_F(signal_wait, others_run_on) {
  in_fiber([] {
    const signal_set set{SIGUSR1, SIGUSR2};
    bool got = false;
    auto waiting = spawn([&] {
      const auto came = set.wait();
      EXPECT_EQ(came.number, SIGUSR1);
      EXPECT_EQ(came.code, SI_USER);
      EXPECT_EQ(came.sender, ::getpid());
      EXPECT_EQ(came.user, ::getuid());
      got = true;
    });
    sleep(2ms);
    EXPECT_FALSE(got);
    ::kill(::getpid(), SIGUSR1);
    waiting.get();
    EXPECT_TRUE(got);
    EXPECT_EQ(own_handler_calls, 0);
  });
}

TEST_F(signal_wait, what_came_is_kept_in_order_and_given_at_once) {
  in_fiber([] {
    const signal_set set{SIGUSR1, SIGUSR2};
    EXPECT_FALSE(set.try_wait());
    ::raise(SIGUSR2);
    ::raise(SIGUSR1);
    ::raise(SIGUSR2);
    bool switched = false;
    auto other = spawn([&] { switched = true; });
    EXPECT_EQ(set.wait().number, SIGUSR2);
    EXPECT_EQ(set.wait(0s)->number, SIGUSR1);
    EXPECT_EQ(set.try_wait()->number, SIGUSR2);
    EXPECT_FALSE(switched);
    EXPECT_FALSE(set.try_wait());
    other.join();
  });
}

TEST_F(signal_wait, time_out) {
  in_fiber([] {
    const signal_set set{SIGUSR1};
    const auto begun = clock::now();
    EXPECT_FALSE(set.wait(5ms));
    EXPECT_GE(clock::now() - begun, 5ms);
    EXPECT_FALSE(set.wait(-1s));
    EXPECT_FALSE(wait_signal({SIGUSR1}, 1ms));
    auto sender = spawn_later(2ms, [] { ::raise(SIGUSR1); });
    EXPECT_EQ(set.wait(60s)->number, SIGUSR1);
  });
}

TEST_F(signal_wait, every_set_gets_it_and_one_waiter_of_each) {
  in_fiber([] {
    const signal_set one{SIGUSR1}, other{SIGUSR1, SIGUSR2};
    std::string order;
    auto a = spawn([&] { one.wait(), order += 'a'; });
    auto b = spawn([&] { one.wait(), order += 'b'; });
    auto c = spawn([&] { other.wait(), order += 'c'; });
    sleep(1ms);
    ::raise(SIGUSR1);
    a.join();
    c.join();
    sleep(1ms);
    EXPECT_FALSE(b.done());
    ::raise(SIGUSR1);
    b.join();
    EXPECT_EQ(order.size(), 3u);
    EXPECT_EQ(other.try_wait()->number, SIGUSR1);
  });
}

TEST_F(signal_wait, a_cancelled_waiter_loses_none) {
  in_fiber([] {
    const signal_set set{SIGUSR1};
    auto waiting = spawn([&] { set.wait(); });
    sleep(1ms);
    ::raise(SIGUSR1);
    waiting.cancel();
    waiting.join();
    if (waiting.was_cancelled())
      EXPECT_EQ(set.wait(10s)->number, SIGUSR1);
    else
      EXPECT_FALSE(set.try_wait());
    auto idle = spawn([&] { set.wait(); });
    yield();
    idle.kill();
    EXPECT_TRUE(idle.was_cancelled());
  });
}

TEST_F(signal_wait, several_threads_with_and_without_a_hub) {
  const signal_set set{SIGUSR1};
  std::atomic<int> got{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, with_hub = i % 2 == 0] {
      const auto take = [&] {
        set.wait();
        ++got;
      };
      if (with_hub)
        weft::run(take);
      else
        take();
    });
  for (int i = 1; i <= 4; ++i) {
    ::kill(::getpid(), SIGUSR1);
    const auto give_up = clock::now() + 20s;
    while (got < i && clock::now() < give_up)
      std::this_thread::sleep_for(100us);
    EXPECT_EQ(got, i);
  }
  for (auto& t : threads)
    t.join();
  EXPECT_FALSE(set.try_wait());
}

TEST_F(signal_wait, a_thread_without_a_hub_stays_without) {
  std::thread([] {
    const signal_set set{SIGUSR1};
    EXPECT_FALSE(set.wait(2ms));
    ::raise(SIGUSR1);
    EXPECT_EQ(set.wait().number, SIGUSR1);
    EXPECT_FALSE(current().valid());
  }).join();
}

TEST_F(signal_wait, is_no_deadlock_on_the_threads_own_fiber) {
  spawn([] {}).join(); // a hub
  const signal_set set{SIGALRM};
  struct itimerval alarm {};
  alarm.it_value.tv_usec = 20'000;
  ::setitimer(ITIMER_REAL, &alarm, nullptr);
  EXPECT_EQ(set.wait().number, SIGALRM);
}

TEST_F(signal_wait, the_disposition_comes_back_with_the_last_set) {
  {
    signal_set first{SIGUSR1};
    {
      const signal_set second{SIGUSR1};
      ::raise(SIGUSR1);
    }
    ::raise(SIGUSR1);
    EXPECT_EQ(own_handler_calls, 0);
    signal_set moved = std::move(first);
    ::raise(SIGUSR1);
    for (int i = 0; i < 3; ++i)
      EXPECT_TRUE(moved.try_wait());
    EXPECT_EQ(own_handler_calls, 0);
  }
  ::raise(SIGUSR1);
  EXPECT_EQ(own_handler_calls, 1);
}

TEST_F(signal_wait, a_disposition_that_somebody_changed_stays) {
  std::optional<signal_set> set;
  set.emplace({SIGUSR1});
  ::signal(SIGUSR1, SIG_IGN);
  set.reset();
  ::raise(SIGUSR1);
  EXPECT_EQ(own_handler_calls, 0);
}

TEST_F(signal_wait, a_flood_loses_no_kind_and_no_descriptor) {
  const int free_before = lowest_free();
  {
    const signal_set set{SIGUSR1, SIGUSR2, SIGHUP};
    for (int i = 0; i < 5000; ++i)
      ::raise(SIGUSR1);
    ::raise(SIGUSR2);
    ::raise(SIGHUP);
    int seen[3] = {};
    while (const auto came = set.try_wait())
      ++seen[came->number == SIGUSR1 ? 0 : came->number == SIGUSR2 ? 1 : 2];
    EXPECT_GE(seen[0], 100);
    EXPECT_EQ(seen[1], 1);
    EXPECT_EQ(seen[2], 1);
  }
  for (int i = 0; i < 100; ++i)
    const signal_set set{SIGUSR1};
  EXPECT_EQ(lowest_free(), free_before);
}

TEST_F(signal_wait, real_time_signals_bring_their_value) {
  in_fiber([] {
    const signal_set set({SIGRTMIN + 1});
    for (int i = 0; i < 3; ++i) {
      ::sigqueue(::getpid(), SIGRTMIN + 1, sigval{.sival_int = i});
      const auto came = set.wait();
      EXPECT_EQ(came.number, SIGRTMIN + 1);
      EXPECT_EQ(came.code, SI_QUEUE);
      EXPECT_EQ(came.value, i);
    }
  });
}

TEST_F(signal_wait, destroyed_under_who_waits) {
  in_fiber([] {
    std::optional<signal_set> set;
    set.emplace({SIGUSR1});
    auto waiting = spawn([&] { set->wait(); });
    sleep(1ms);
    set.reset();
    EXPECT_THROW(waiting.get(), std::system_error);
  });
  std::optional<signal_set> set;
  set.emplace({SIGUSR1});
  std::thread bare([&] { EXPECT_THROW(static_cast<void>(set->wait()), std::system_error); });
  std::this_thread::sleep_for(20ms);
  set.reset();
  bare.join();
}

TEST_F(signal_wait, a_forked_child_has_its_own) {
  const signal_set set{SIGUSR1};
  ::raise(SIGUSR1);
  const pid_t child = ::fork();
  if (child == 0) {
    if (set.try_wait()) ::_exit(1); // the parent's
    ::raise(SIGUSR1);
    const auto came = set.wait(20s);
    ::_exit(came && came->sender == ::getpid() ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(set.try_wait()->sender, ::getpid());
  EXPECT_FALSE(set.try_wait());
}

TEST_F(signal_wait, on_signal_spawns_for_each) {
  in_fiber([] {
    std::string order;
    auto handler = on_signal(SIGUSR1, [&](signal_arrival came) {
      order += came.number == SIGUSR1 ? 'a' : '?';
      sleep(1ms); // may block
      order += 'b';
    });
    auto other = on_signal(SIGUSR2, [&] { order += 'u'; });
    ::raise(SIGUSR1);
    ::raise(SIGUSR1);
    EXPECT_TRUE(comes_true([&] { return order == "aabb"; })) << order;
    ::raise(SIGUSR2);
    EXPECT_TRUE(comes_true([&] { return order == "aabbu"; })) << order;
    handler.kill();
    ::raise(SIGUSR1);
    EXPECT_EQ(own_handler_calls, 1);
    other.kill();
  });
}

TEST_F(signal_wait, misuse) {
  EXPECT_THROW(signal_set(std::vector<int>{}), std::invalid_argument);
  for (const int number : {0, -1, 65, 1000, SIGKILL, SIGSTOP, SIGSEGV, SIGFPE, SIGILL, SIGBUS})
    EXPECT_THROW(signal_set{number}, std::invalid_argument) << number;
  EXPECT_THROW((signal_set{SIGUSR1, 32}), std::system_error); // libc keeps it for itself
  ::raise(SIGUSR1);
  EXPECT_EQ(own_handler_calls, 1); // as it was before

  signal_set set{SIGUSR1};
  const signal_set taken = std::move(set);
  EXPECT_THROW(set.wait(), std::logic_error); // NOLINT(bugprone-use-after-move)
  EXPECT_THROW(static_cast<void>(set.try_wait()), std::logic_error);
  EXPECT_THROW(on_signal(SIGUSR1, static_cast<void (*)()>(nullptr)), std::invalid_argument);

  in_fiber([&] {
    bool refused = false;
    call_later(0s, [&] {
      try {
        taken.wait();
      } catch (const std::logic_error&) {
        refused = true;
      }
    });
    sleep(1ms);
    EXPECT_TRUE(refused);
  });
}

} // namespace
} // namespace weft::test
