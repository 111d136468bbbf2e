// SPDX-License-Identifier: BSL-1.0
// Starting a child, waiting for its end, ending it.
#include <atomic>
#include <fstream>

#include "tests/process/children.hpp"

namespace weft::test {
namespace {

class subprocess_wait : public with_and_without_pidfd {};
INSTANTIATE_TEST_SUITE_P(, subprocess_wait, testing::Bool(),
                         [](const auto& p) { return p.param ? "pidfd" : "thread"; });

TEST_P(subprocess_wait, gives_the_status_as_often_as_asked) {
  weft::run([] {
    const subprocess child(shell("exit 3"));
    EXPECT_GT(child.pid(), 0);
    EXPECT_EQ(child.wait().code(), 3);
    EXPECT_EQ(child.wait().returncode(), 3);
    EXPECT_EQ(child.try_wait()->describe(), "exit status 3");
    EXPECT_FALSE(child.wait(0s)->success());
    EXPECT_FALSE(child.wait().signal());
  });
}

TEST_P(subprocess_wait, others_run_on) {
  weft::run([] {
    int ticks = 0;
    auto ticking = every(1ms, [&] { ++ticks; });
    const subprocess child({"sleep", "0.05"});
    EXPECT_FALSE(child.try_wait());
    EXPECT_TRUE(child.wait().success());
    EXPECT_GT(ticks, 5);
    ticking.cancel();
  });
}

TEST_P(subprocess_wait, time_out) {
  weft::run([] {
    const subprocess child({"sleep", "60"});
    const auto begun = clock::now();
    EXPECT_FALSE(child.wait(10ms));
    EXPECT_GE(clock::now() - begun, 10ms);
    EXPECT_TRUE(child.kill());
    const auto status = child.wait(20s);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->signal(), SIGKILL);
    EXPECT_EQ(status->returncode(), -SIGKILL);
    EXPECT_FALSE(status->code());
    EXPECT_EQ(status->describe(), "signal 9 (Killed)");
  });
}

TEST_P(subprocess_wait, several_wait_on_hubs_and_threads) {
  const subprocess child({"sleep", "0.02"});
  std::atomic<int> seen{0};
  const auto look = [&] { seen += child.wait().success() ? 1 : 0; };
  std::thread bare(look);
  std::thread hub([&] { weft::run([&] { joinall(look, look); }); });
  weft::run([&] { joinall(look, look, look); });
  bare.join();
  hub.join();
  EXPECT_EQ(seen, 6);
}

TEST_P(subprocess_wait, a_cancelled_waiter_leaves_the_child_alone) {
  weft::run([] {
    const subprocess child({"sleep", "60"});
    auto waiting = spawn([&] { child.wait(); });
    yield();
    waiting.kill();
    EXPECT_TRUE(waiting.was_cancelled());
    EXPECT_FALSE(child.try_wait());
    EXPECT_TRUE(child.terminate());
    EXPECT_EQ(child.wait().signal(), SIGTERM);
  });
}

TEST_P(subprocess_wait, is_no_deadlock) {
  spawn([] {}).join();
  const subprocess child({"sleep", "0.01"});
  EXPECT_TRUE(child.wait().success());
}

TEST_P(subprocess_wait, a_thread_without_a_hub_stays_without) {
  std::thread([] {
    const subprocess child({"sleep", "0.01"});
    EXPECT_FALSE(child.wait(1ms));
    EXPECT_TRUE(child.wait().success());
    EXPECT_FALSE(current().valid());
  }).join();
}

TEST_P(subprocess_wait, at_the_end_already_it_is_no_switch_point) {
  weft::run([] {
    const subprocess child({"true"});
    child.wait();
    bool switched = false;
    auto other = spawn([&] { switched = true; });
    child.wait();
    child.wait(1s);
    EXPECT_FALSE(switched);
    other.join();
  });
}

TEST_P(subprocess_wait, signals_to_one_that_ended_have_no_effect) {
  const subprocess child({"true"});
  siginfo_t info;
  ::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOWAIT);
  EXPECT_FALSE(child.kill());
  EXPECT_TRUE(child.wait().success());
  EXPECT_FALSE(child.terminate());
  EXPECT_FALSE(child.send_signal(0));
}

TEST_P(subprocess_wait, the_destructor_kills_and_leaves_no_zombie) {
  pid_t pid;
  {
    const subprocess child({"sleep", "60"});
    pid = child.pid();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_TRUE(comes_true([&] { return ::kill(pid, 0) != 0 && errno == ESRCH; }));
}

TEST_P(subprocess_wait, a_cancelled_scope_leaves_no_child) {
  weft::run([] {
    pid_t pid = 0;
    auto owner = spawn([&] {
      const subprocess child({"sleep", "60"});
      pid = child.pid();
      child.wait();
    });
    EXPECT_TRUE(comes_true([&] { return pid != 0; }));
    owner.kill();
    EXPECT_TRUE(comes_true([&] { return ::kill(pid, 0) != 0 && errno == ESRCH; }));
  });
}

TEST_P(subprocess_wait, detached_it_runs_on_and_is_reaped) {
  weft::run([] {
    auto [to_read, to_write] = make_pipe();
    pid_t pid;
    {
      subprocess child(shell("sleep 0.02; echo done"), {.out = to_write.fd()});
      pid = child.pid();
      child.detach();
      EXPECT_THROW(child.wait(), std::logic_error);
    }
    to_write.close();
    EXPECT_EQ(to_read.read_all(), "done\n");
    EXPECT_TRUE(comes_true([&] { return ::kill(pid, 0) != 0 && errno == ESRCH; }));
  });
}

TEST_P(subprocess_wait, many_in_sequence_lose_nothing) {
  const int free_before = lowest_free();
  weft::run([] {
    for (int i = 0; i < 300; ++i) {
      const subprocess child({"true"}, {.out = stdio::pipe, .err = stdio::null});
      ASSERT_TRUE(child.wait().success());
    }
  });
  EXPECT_EQ(lowest_free(), free_before);
}

TEST_P(subprocess_wait, a_hundred_at_once) {
  const int free_before = lowest_free();
  weft::run([] {
    std::vector<task<int>> all;
    for (int i = 0; i < 100; ++i)
      all.push_back(spawn([i] {
        subprocess child(shell("read x; exit $x"), {.in = stdio::pipe});
        sleep(5ms); // until all are there
        child.in().write_all(std::to_string(i) + "\n");
        return *child.wait().code();
      }));
    for (int i = 0; i < 100; ++i)
      EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
  });
  EXPECT_EQ(lowest_free(), free_before);
}

class subprocess_start : public process_test {};

TEST_F(subprocess_start, failures_are_told_in_the_parent) {
  const int free_before = lowest_free();
  const auto error_of = [](const std::vector<std::string>& arguments, process_options options) {
    options.in = options.out = options.err = stdio::pipe;
    try {
      const subprocess child(arguments, options);
    } catch (const std::system_error& e) {
      EXPECT_NE(std::string(e.what()).find(arguments[0]), std::string::npos) << e.what();
      return e.code().value();
    }
    return 0;
  };
  EXPECT_EQ(error_of({"no-such-program-anywhere"}, {}), ENOENT);
  EXPECT_EQ(error_of({"/no/such/program"}, {}), ENOENT);
  EXPECT_EQ(error_of({"/etc/passwd"}, {}), EACCES);
  EXPECT_EQ(error_of({"true"}, {.directory = "/no/such/directory"}), ENOENT);
  EXPECT_THROW(subprocess({"true"}, {.in = 12345}), std::system_error);
  EXPECT_THROW(subprocess({"true"}, {.keep = {12345}}), std::system_error);
  EXPECT_EQ(lowest_free(), free_before);
}

TEST_F(subprocess_start, misuse) {
  using std::string_literals::operator""s;
  EXPECT_THROW(subprocess(std::vector<std::string>{}), std::invalid_argument);
  EXPECT_THROW(subprocess({""}), std::invalid_argument);
  EXPECT_THROW(subprocess({"echo", "a\0b"s}), std::invalid_argument);
  EXPECT_THROW(subprocess({"true"}, {.in = stdio::to_stdout}), std::invalid_argument);
  EXPECT_THROW(subprocess({"true"}, {.environment = {{{"a=b", "c"}}}}), std::invalid_argument);
  EXPECT_THROW(subprocess({"true"}, {.new_session = true, .new_group = true}),
               std::invalid_argument);
  subprocess child({"true"});
  EXPECT_THROW(static_cast<void>(child.in()), std::logic_error);
  EXPECT_THROW(static_cast<void>(child.out()), std::logic_error);
  EXPECT_THROW(static_cast<void>(child.err()), std::logic_error);
  EXPECT_THROW(child.communicate("input"), std::invalid_argument);
  const subprocess moved = std::move(child);
  EXPECT_THROW(child.wait(), std::logic_error); // NOLINT(bugprone-use-after-move)
  EXPECT_THROW(child.kill(), std::logic_error);
  EXPECT_THROW(child.detach(), std::logic_error);
  EXPECT_THROW(child.communicate(), std::logic_error);
  EXPECT_TRUE(moved.wait().success());
  EXPECT_THROW(subprocess({"sleep", "60"}).send_signal(999), std::system_error);
}

TEST_F(subprocess_start, a_wait_in_a_callback_is_refused) {
  weft::run([] {
    const subprocess child({"sleep", "60"});
    bool refused = false;
    call_later(0s, [&] {
      try {
        child.wait();
      } catch (const std::logic_error&) {
        refused = true;
      }
    });
    sleep(1ms);
    EXPECT_TRUE(refused);
  });
}

TEST_F(subprocess_start, assignment_ends_the_one_before) {
  subprocess child({"sleep", "60"});
  const pid_t first = child.pid();
  child = subprocess({"true"});
  EXPECT_NE(child.pid(), first);
  EXPECT_TRUE(child.wait().success());
  EXPECT_TRUE(comes_true([&] { return ::kill(first, 0) != 0 && errno == ESRCH; }));
}

TEST_F(subprocess_start, a_status_that_somebody_took_is_an_error) {
  const subprocess child({"true"});
  ASSERT_EQ(::waitpid(child.pid(), nullptr, 0), child.pid());
  EXPECT_THROW(child.wait(), std::system_error);
  EXPECT_FALSE(child.kill());
}

TEST_F(subprocess_start, in_a_forked_child_it_stands_for_nothing) {
  std::optional<subprocess> child;
  child.emplace(std::vector<std::string>{"sleep", "60"});
  const pid_t forked = ::fork();
  if (forked == 0) {
    try {
      child->wait();
      ::_exit(1);
    } catch (const std::system_error& e) {
      if (e.code().value() != ECHILD || child->kill()) ::_exit(2);
    }
    child.reset();
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(forked, &status, 0), forked);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(child->try_wait());
  EXPECT_TRUE(child->kill());
}

} // namespace
} // namespace weft::test
