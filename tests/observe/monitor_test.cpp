// SPDX-License-Identifier: BSL-1.0
// Who keeps a hub's thread for too long is reported while doing so.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>
#include <stdexcept>
#include <vector>

#include "tests/observe/frames.hpp"

namespace weft::test {

/// Keeps the thread until `done`, or for half a minute.
[[gnu::noinline]] void place_that_computes(const std::atomic<bool>& done) {
  const auto give_up = std::chrono::steady_clock::now() + 30s;
  while (!done && std::chrono::steady_clock::now() < give_up)
    std::this_thread::yield();
  asm volatile("");
}

namespace {

/// Collects reports; `some` once there is one.
struct reports {
  std::mutex mutex;
  std::vector<slow_report> all;
  std::atomic<bool> some{false};

  monitor_options options(std::chrono::milliseconds allowed = 20ms) {
    return {.max_blocking_time = allowed, .report = [this](const slow_report& r) {
              const std::lock_guard held(mutex);
              all.push_back(r);
              some = true;
            }};
  }
};

TEST(blocking_monitor, reports_a_fiber_with_its_stack_while_it_computes) {
  reports seen;
  const auto before = std::chrono::steady_clock::now();
  {
    const blocking_monitor watching(seen.options());
    weft::run([&] { place_that_computes(seen.some); }, {.name = "greedy"});
  }
  ASSERT_GE(seen.all.size(), 1u);
  const slow_report& r = seen.all.front();
  EXPECT_EQ(r.culprit, "fiber greedy");
  EXPECT_EQ(r.thread, ::gettid());
  EXPECT_GE(r.duration, 20ms);
  EXPECT_GE(std::chrono::steady_clock::now() - before, 20ms);
  EXPECT_TRUE(holds_frames(r.stack, {"place_that_computes"}));
}

TEST(blocking_monitor, reports_each_once) {
  reports seen;
  const blocking_monitor watching(seen.options(5ms));
  weft::run([&] {
    place_that_computes(seen.some);
    std::this_thread::sleep_for(50ms);
    {
      const std::lock_guard held(seen.mutex);
      EXPECT_EQ(seen.all.size(), 1u);
      seen.some = false;
    }
    sleep(5ms);
    place_that_computes(seen.some); // a new one
    const std::lock_guard held(seen.mutex);
    EXPECT_GE(seen.all.size(), 2u);
  });
}

TEST(blocking_monitor, reports_callbacks) {
  reports seen;
  const blocking_monitor watching(seen.options());
  weft::run([&] {
    auto call = call_later(1ms, [&] { place_that_computes(seen.some); });
    while (call.active() || !seen.some)
      sleep(1ms);
  });
  const std::lock_guard held(seen.mutex);
  EXPECT_EQ(seen.all.at(0).culprit, "a callback");
  EXPECT_TRUE(holds_frames(seen.all[0].stack, {"place_that_computes"}));
}

TEST(blocking_monitor, is_silent_about_who_sleeps_waits_or_yields) {
  reports seen;
  const blocking_monitor watching(seen.options(2s));
  weft::run([] {
    auto sleeping = spawn([] { sleep(50ms); });
    auto yielding = spawn([] {
      for (const auto end = std::chrono::steady_clock::now() + 50ms;
           std::chrono::steady_clock::now() < end;)
        yield();
    });
    joinall(sleeping, yielding);
  });
  EXPECT_FALSE(seen.some);
}

TEST(blocking_monitor, is_silent_about_a_thread_without_fibers) {
  weft::run([] {}); // a hub
  reports seen;
  const blocking_monitor watching(seen.options(1ms));
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(seen.some);
}

TEST(blocking_monitor, deadlocks_are_still_found) {
  const blocking_monitor watching;
  event e;
  auto waiting = spawn([&] { e.wait(); });
  EXPECT_THROW(waiting.join(), deadlock_error);
  e.set();
  waiting.join();
}

std::atomic<int> urgent{0};

TEST(blocking_monitor, leaves_the_signal_as_it_was) {
  urgent = 0;
  struct sigaction before {};
  struct sigaction own {};
  own.sa_handler = [](int) { ++urgent; };
  ::sigaction(SIGURG, &own, &before);
  reports seen;
  {
    const blocking_monitor watching(seen.options());
    ::raise(SIGURG);
    weft::run([&] { place_that_computes(seen.some); });
  }
  EXPECT_EQ(urgent, 1);
  struct sigaction after {};
  ::sigaction(SIGURG, &before, &after);
  EXPECT_EQ(after.sa_handler, own.sa_handler);
}

TEST(blocking_monitor, a_forked_child_can_end_it) {
  auto* watching = new blocking_monitor;
  const pid_t child = ::fork();
  if (child == 0) {
    delete watching;
    ::_exit(0);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  delete watching;
}

TEST(blocking_monitor, a_report_that_throws_goes_to_the_error_handler) {
  static std::atomic<int> handled{0};
  const error_handler before =
      set_error_handler([](const char*, std::exception_ptr) noexcept { ++handled; });
  std::atomic<bool> done{false};
  {
    const blocking_monitor watching({.max_blocking_time = 5ms, .report = [&](const slow_report&) {
                                       done = true;
                                       throw std::runtime_error("no");
                                     }});
    weft::run([&] { place_that_computes(done); });
  }
  set_error_handler(before);
  EXPECT_GE(handled, 1);
}

// Run by the next one, in a process of its own.
TEST(blocking_monitor, DISABLED_computes) {
  const auto end = std::chrono::steady_clock::now() + 300ms;
  weft::run(
      [&] {
        while (std::chrono::steady_clock::now() < end)
          std::this_thread::yield();
      },
      {.name = "greedy"});
}

TEST(blocking_monitor, the_environment_can_ask_for_one) {
  const auto run_with = [](const char* allowed) {
    auto variables = current_environment();
    variables["WEFT_MAX_BLOCKING_TIME"] = allowed;
    return subprocess::run({"/proc/self/exe", "--gtest_also_run_disabled_tests",
                            "--gtest_filter=blocking_monitor.DISABLED_computes"},
                           {.err = stdio::pipe, .environment = variables})
        .err;
  };
  EXPECT_TRUE(
      holds_in_order(run_with("50"), {"weft: fiber greedy keeps hub 0 (thread ", " ms now\n"}));
  EXPECT_EQ(run_with(""), "");
  EXPECT_TRUE(holds_in_order(run_with("soon"), {"WEFT_MAX_BLOCKING_TIME=soon", "ignored"}));
}

TEST(blocking_monitor, misuse) {
  EXPECT_THROW(blocking_monitor({.max_blocking_time = 0ms}), std::invalid_argument);
  EXPECT_THROW(blocking_monitor({.max_blocking_time = -1ms}), std::invalid_argument);
}

} // namespace
} // namespace weft::test
