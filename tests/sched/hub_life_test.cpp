// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

// Deadlock -------------------------------------------------------------------

TEST(deadlock, the_threads_own_fiber_gets_an_error_that_lists_the_parked) {
  weft::promise<void> never;
  auto future = never.get_future();
  auto a = weft::spawn({.name = "alice"}, [&] { future.get(); });
  auto b = weft::spawn({.name = "bob"}, [&] { a.join(); });
  try {
    b.join();
    FAIL();
  } catch (const weft::deadlock_error& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("this operation would block for ever"), std::string::npos);
    EXPECT_NE(text.find("parked in get of future"), std::string::npos) << text;
    EXPECT_NE(text.find("parked in join of fiber alice"), std::string::npos) << text;
    EXPECT_NE(text.find("parked in join of fiber bob"), std::string::npos) << text;
  }
  EXPECT_FALSE(a.done());
  never.set_value(); // the hub can be used again
  b.join();
  EXPECT_TRUE(a.done());
}

TEST(deadlock, joining_oneself_is_an_error_at_once) {
  auto t = weft::spawn([] {
    EXPECT_THROW(weft::current().join(), weft::deadlock_error);
    EXPECT_THROW(weft::current().join(1h), weft::deadlock_error);
    EXPECT_THROW(weft::joinall({weft::current()}), weft::deadlock_error);
  });
  t.get();
}

TEST(deadlock, none_while_a_timer_or_other_thread_may_wake) {
  weft::promise<int> p;
  weft::call_later(10ms, [&] { p.set_value(1); });
  EXPECT_EQ(p.get_future().get(), 1);
  weft::promise<int> q;
  std::thread other([&] {
    std::this_thread::sleep_for(20ms);
    q.set_value(2);
  });
  EXPECT_EQ(q.get_future().get(), 2);
  other.join();
}

TEST(deadlock, noticed_when_the_last_other_thread_ended_without_waking) {
  weft::promise<int> p;
  std::thread([] { std::this_thread::sleep_for(50ms); }).detach();
  EXPECT_THROW(p.get_future().get(), weft::deadlock_error);
}

weft::promise<void>* signalled = nullptr;

TEST(deadlock, none_with_an_external_work_guard) {
  weft::promise<void> p;
  signalled = &p;
  auto guard = std::make_unique<weft::external_work>();
  weft::external_work moved(std::move(*guard));
  guard.reset();
  EXPECT_FALSE(p.get_future().wait_for(30ms));
  auto waits = weft::spawn([&] { p.get_future().get(); });
  auto probe = weft::spawn([&] {
    weft::sleep(1ms);
    p.set_value();
  });
  waits.get();
}

TEST(hub, reusable_after_it_ran_dry) {
  for (int i = 0; i < 3; ++i) {
    weft::promise<void> never;
    EXPECT_THROW(never.get_future().get(), weft::deadlock_error);
    EXPECT_EQ(weft::spawn([] { return 1; }).get(), 1);
  }
}

// End of a thread --------------------------------------------------------------

TEST(end_of_a_thread, cancels_its_fibers_and_runs_them_to_their_end) {
  std::vector<std::string> out;
  std::vector<weft::task<int>> tasks;
  std::thread([&] {
    for (int i = 0; i < 3; ++i)
      tasks.push_back(weft::spawn([&, i] {
        try {
          weft::sleep(1h);
        } catch (const weft::cancelled&) {
          weft::sleep(1ms);
          out.push_back("cleaned " + std::to_string(i));
          throw;
        }
        return i;
      }));
    tasks.push_back(weft::spawn_later(1h, [] { return 0; }));
    weft::yield();
    tasks.push_back(weft::spawn([] { return 0; }));
  }).join();
  EXPECT_EQ(out, (std::vector<std::string>{"cleaned 0", "cleaned 1", "cleaned 2"}));
  for (auto& t : tasks)
    EXPECT_TRUE(t.was_cancelled());
}

TEST(end_of_a_thread, what_is_spawned_meanwhile_never_runs) {
  bool ran = false;
  weft::task<void> late;
  std::thread([&] {
    (void)weft::spawn([&] {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        late = weft::spawn([&] { ran = true; });
        throw;
      }
    });
    weft::yield();
  }).join();
  EXPECT_FALSE(ran);
  EXPECT_TRUE(late.was_cancelled());
}

thread_local std::unique_ptr<int> thread_value;

TEST(end_of_a_thread, thread_locals_made_earlier_are_still_alive) {
  int seen = 0;
  std::thread([&] {
    thread_value = std::make_unique<int>(5); // made first, hence destroyed last
    (void)weft::spawn([&] {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        seen = *thread_value;
      }
    });
    weft::yield();
  }).join();
  EXPECT_EQ(seen, 5);
}

TEST(end_of_a_thread, many_threads_one_after_another) {
  for (int i = 0; i < 200; ++i)
    std::thread([] {
      (void)weft::spawn([] { weft::sleep(1h); });
      weft::spawn([] { weft::yield(); }).join();
    }).join();
}

[[noreturn]] void leave(int code) {
  (void)weft::spawn([] {
    try {
      weft::sleep(1h);
    } catch (...) {
      std::_Exit(99); // abandoned, not cancelled
    }
  });
  weft::yield();
  std::exit(code);
}

class death : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(death, exit_abandons_what_still_runs) {
  EXPECT_EXIT(leave(3), testing::ExitedWithCode(3), "");
}

#if !defined(__SANITIZE_ADDRESS__) // whose leak check looks at the stack that calls exit only
TEST_F(death, exit_inside_a_fiber) {
  EXPECT_EXIT(weft::spawn([] { leave(4); }).join(), testing::ExitedWithCode(4), "");
}

TEST_F(death, exit_inside_a_fiber_of_another_thread) {
  EXPECT_EXIT(std::thread([] { weft::spawn([] { leave(6); }).join(); }).join(),
              testing::ExitedWithCode(6), "");
}
#endif

TEST_F(death, exit_on_another_thread) {
  EXPECT_EXIT(std::thread([] { leave(5); }).join(), testing::ExitedWithCode(5), "");
}

// Signals ------------------------------------------------------------------------

TEST_F(death, signals_keep_their_defaults) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGUSR1})
    EXPECT_EXIT(
        {
          weft::call_later(1ms, [number] { ::kill(::getpid(), number); });
          weft::spawn([] { weft::sleep(1h); }).join();
        },
        testing::KilledBySignal(number), "");
}

TEST(signals, a_handler_of_the_programs_own_interrupts_no_wait) {
  static volatile std::sig_atomic_t came;
  came = 0; // also when the tests are repeated
  struct sigaction before {};
  struct sigaction action {};
  action.sa_handler = [](int) { came = came + 1; };
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  weft::call_later(1ms, [] { ::kill(::getpid(), SIGUSR1); });
  const auto start = std::chrono::steady_clock::now();
  weft::sleep(10ms);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 10ms);
  EXPECT_EQ(came, 1);
  ::sigaction(SIGUSR1, &before, nullptr);
}

// Stack overflow ---------------------------------------------------------------

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
[[gnu::noinline]] int recurse(int n) {
  volatile char frame[512];
  frame[0] = static_cast<char>(n);
  return n < 0 ? 0 : recurse(n + 1) + frame[0];
}

TEST_F(death, stack_overflow_names_the_fiber) {
  EXPECT_EXIT(weft::spawn({.name = "deep"}, recurse, 0).join(), testing::KilledBySignal(SIGSEGV),
              "weft: stack overflow in fiber deep, stack size 61440");
  EXPECT_EXIT(std::thread([] {
                weft::spawn({.name = "large", .stack_size = 500'000}, recurse, 0).join();
              }).join(),
              testing::KilledBySignal(SIGSEGV),
              "weft: stack overflow in fiber large, stack size 520192");
}

TEST_F(death, other_faults_go_to_the_handler_that_was_there) {
  EXPECT_EXIT(
      {
        std::signal(SIGSEGV, [](int) { std::_Exit(7); });
        weft::spawn([] {
          volatile int* null = nullptr;
          *null = 1;
        }).join();
      },
      testing::ExitedWithCode(7), "");
  EXPECT_EXIT(weft::spawn([] {
                volatile int* null = nullptr;
                *null = 1;
              }).join(),
              testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EXIT(weft::spawn([] { ::raise(SIGSEGV); }).join(), testing::KilledBySignal(SIGSEGV), "");
}
#endif

// Fork (TSan takes the fibers for threads which the child has lost) ------------------

#if !defined(__SANITIZE_THREAD__)
int exit_code_of(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

TEST(fork_with_pending_fibers, only_the_caller_lives_on) {
  auto pending = weft::spawn([] {
    weft::sleep(1h);
    std::_Exit(50);
  });
  auto ready = weft::spawn([] { std::_Exit(51); });
  ready.cancel();
  auto parked = weft::spawn([&] { pending.join(); });
  auto timer = weft::call_later(1ms, [] {});
  weft::yield();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!pending.was_cancelled() || !parked.was_cancelled()) std::_Exit(10);
    if (!weft::all_tasks().empty()) std::_Exit(11);
    weft::sleep(5ms);
    if (weft::spawn([] { return 7; }).get() != 7) std::_Exit(12);
    weft::promise<int> p;
    std::thread([&] { p.set_value(1); }).join();
    if (p.get_future().get() != 1) std::_Exit(13);
    std::_Exit(0);
  }
  EXPECT_EQ(exit_code_of(child), 0);
  EXPECT_FALSE(pending.done());
  pending.kill();
  EXPECT_TRUE(parked.join(1s));
}

#if !defined(__SANITIZE_ADDRESS__) // whose leak check fails the child: what was lost is lost
TEST(fork_with_pending_fibers, called_in_a_fiber_its_end_ends_the_child) {
  int code = -1;
  auto forker = weft::spawn([&] {
    const pid_t child = fork();
    if (child == 0) {
      weft::sleep(1ms);
      auto t = weft::spawn([] { weft::sleep(5ms); });
      return; // t goes on; when it ends, nobody is left
    }
    code = exit_code_of(child);
  });
  forker.join();
  EXPECT_EQ(code, 0);
}
#endif

TEST(fork_with_pending_fibers, a_descriptor_wait_works_in_both) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  auto reader = weft::spawn([&] {
    char c;
    return weft::io::read(ends[0], &c, 1);
  });
  weft::sleep(1ms);
  const pid_t child = fork();
  if (child == 0) {
    int own[2];
    if (pipe(own) != 0) std::_Exit(20);
    auto t = weft::spawn([&] {
      char c;
      return weft::io::read(own[0], &c, 1);
    });
    weft::yield();
    if (write(own[1], "x", 1) != 1 || t.get() != 1) std::_Exit(21);
    std::_Exit(0);
  }
  EXPECT_EQ(exit_code_of(child), 0);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  EXPECT_EQ(reader.get(), 1);
  weft::io::close(ends[0]);
  weft::io::close(ends[1]);
}

#endif

// run ----------------------------------------------------------------------------

TEST(run, returns_the_outcome_and_cancels_what_is_left) {
  bool cleaned = false;
  weft::task<void> left;
  const std::string result = weft::run([&] {
    left = weft::spawn([&] {
      try {
        weft::sleep(1h);
      } catch (const weft::cancelled&) {
        cleaned = true;
        throw;
      }
    });
    weft::sleep(1ms);
    return std::string("done");
  });
  EXPECT_EQ(result, "done");
  EXPECT_TRUE(cleaned);
  EXPECT_TRUE(left.was_cancelled());
  EXPECT_THROW(weft::run([] { throw std::out_of_range("x"); }), std::out_of_range);
  EXPECT_EQ(*weft::run([] { return std::make_unique<int>(2); }), 2);
  weft::run([] { EXPECT_EQ(weft::current().name(), "r"); }, {.name = "r"});
}

TEST(run, cancels_what_is_spawned_by_a_fiber_that_does_not_know_yet_that_it_is_to_end) {
  weft::event woken;
  weft::task<void> child;
  weft::run([&] {
    (void)weft::spawn([&] {
      woken.wait();
      child = weft::spawn([] { weft::sleep(1h); });
    });
    weft::yield();
    woken.set(); // before main's end, so that it counts
  });
  EXPECT_TRUE(child.was_cancelled());
}

TEST(run, is_for_the_threads_own_fiber) {
  EXPECT_THROW(weft::spawn([] { weft::run([] {}); }).get(), std::logic_error);
  std::thread([] { EXPECT_EQ(weft::run([] { return 3; }), 3); }).join();
}

TEST(run, of_what_can_never_end_is_a_deadlock) {
  weft::promise<void> never;
  EXPECT_THROW(weft::run([&] { never.get_future().get(); }), weft::deadlock_error);
  EXPECT_TRUE(weft::all_tasks().empty());
}

} // namespace
