// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/processes/child.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <csignal>
#include <set>
#include <sys/resource.h>
#include <vector>

namespace {

using namespace conformance;

pid_t child_that_pauses() {
  return in_child([] {
    pause();
    return 0;
  });
}

void wait_without_hanging() {
  const pid_t child = child_that_pauses();
  int status = 0;
  expect_equal(waitpid(child, &status, WNOHANG), 0, "waitpid WNOHANG of a living child");
  siginfo_t info{};
  info.si_pid = -1;
  expect_equal(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG), 0,
               "waitid WNOHANG of a living child");
  expect_equal(info.si_pid, 0, "no child told");
  kill(child, SIGTERM);
  expect_equal(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0,
               "waitid WNOWAIT");
  expect(info.si_pid == child && info.si_code == CLD_KILLED && info.si_status == SIGTERM,
         "what waitid tells");
  expect_equal(waitpid(child, &status, WNOHANG), child, "still to be waited for");
  expect_equal(describe(status), "killed by 15", "the child");
  expect_errno(waitpid(child, &status, 0), ECHILD, "waitpid of a child that is gone");
}

void wait_lets_others_run() {
  // The child ends only when the other thread says so, some time after the wait has begun.
  int ends[2];
  expect_equal(pipe(ends), 0, "pipe");
  const pid_t child = in_child([&] {
    char byte = 0;
    return read(ends[0], &byte, 1) == 1 ? 4 : 5;
  });
  std::atomic<bool> waits{false};
  std::thread other([&] {
    while (!waits.load())
      usleep(2000);
    for (int i = 0; i < 5; ++i)
      usleep(2000);
    expect_equal(write(ends[1], "x", 1), 1, "write");
  });
  std::string end;
  std::thread waiter([&] {
    waits = true;
    end = status_of(child);
  });
  waiter.join();
  other.join();
  expect_equal(end, "exited 4", "the child");
  close(ends[0]);
  close(ends[1]);
}

void wait_for_any() {
  std::set<pid_t> children;
  for (int i = 0; i < 5; ++i)
    children.insert(in_child([i] {
      usleep(static_cast<useconds_t>((5 - i) * 5000));
      return 20 + i;
    }));
  std::thread waiter([&children] {
    int sum = 0;
    while (!children.empty()) {
      int status = 0;
      const pid_t found = wait(&status);
      expect_equal(children.erase(found), 1U, "one of the children, once");
      if (found == -1) break;
      sum += WEXITSTATUS(status);
    }
    expect_equal(sum, 110, "the sum of the statuses");
    expect_errno(wait(nullptr), ECHILD, "wait without children");
  });
  waiter.join();
}

void wait_with_usage() {
  const pid_t child = in_child([] { return 8; });
  rusage usage{};
  int status = 0;
  expect_equal(wait4(child, &status, 0, &usage), child, "wait4");
  expect_equal(describe(status), "exited 8", "the child");
  expect(usage.ru_maxrss > 0, "its usage");
}

void waits_of_several_threads() {
  constexpr int count = 6;
  std::vector<pid_t> children;
  for (int i = 0; i < count; ++i)
    children.push_back(child_that_pauses());
  std::vector<std::thread> waiters;
  for (int i = 0; i < count; ++i)
    waiters.emplace_back([&children, i] {
      expect_equal(status_of(children[static_cast<std::size_t>(i)]), "killed by 15", "own child");
    });
  let_others_block();
  for (int i = count; i-- > 0;)
    kill(children[static_cast<std::size_t>(i)], SIGTERM);
  for (std::thread& waiter : waiters)
    waiter.join();
}

void stopped_and_continued() {
  const pid_t child = child_that_pauses();
  std::thread waiter([child] {
    int status = 0;
    expect_equal(waitpid(child, &status, WUNTRACED), child, "waitpid WUNTRACED");
    expect(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "stopped");
    kill(child, SIGCONT);
    expect_equal(waitpid(child, &status, WCONTINUED), child, "waitpid WCONTINUED");
    expect(WIFCONTINUED(status), "continued and not " + describe(status));
    kill(child, SIGKILL);
    expect_equal(status_of(child), "killed by 9", "the child");
  });
  kill(child, SIGSTOP);
  waiter.join();
}

// Nor does it hear of them if another thread of its parent had blocked them.
void stopped_in_one_call() {
  std::thread([] {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([] { std::this_thread::yield(); }).join();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }).join();
  const pid_t child = in_child([] {
    const bool paused = pause() == -1;
    return paused ? 1 : 2;
  });
  for (int i = 0; i < 3; ++i) {
    let_others_block();
    kill(child, SIGSTOP);
    int status = 0;
    expect_equal(waitpid(child, &status, WUNTRACED), child, "waitpid WUNTRACED");
    kill(child, SIGCONT);
    expect_equal(waitpid(child, &status, WCONTINUED), child, "waitpid WCONTINUED");
    expect(WIFCONTINUED(status), "continued and not " + describe(status));
    kill(child, SIGWINCH);
  }
  let_others_block();
  kill(child, SIGKILL);
  expect_equal(status_of(child), "killed by 9", "the child");
}

void child_signal() {
  static std::atomic<int> handled{0};
  handled.store(0);
  const handling handler(
      SIGCHLD, [](int) { handled.fetch_add(1); }, SA_RESTART);
  std::thread([] {
    const pid_t child = in_child([] { return 2; });
    expect_equal(status_of(child), "exited 2", "the child");
  }).join();
  wait_until([] { return handled.load() == 1; }, "SIGCHLD");
}

void wait_by_group() {
  const pid_t first = in_child([] {
    setpgid(0, 0);
    pause();
    return 0;
  });
  setpgid(first, first);
  expect_errno(waitpid(-getpid() - 1000000, nullptr, WNOHANG), ECHILD, "a group without children");
  std::thread waiter([first] {
    int status = 0;
    expect_equal(waitpid(-first, &status, 0), first, "waitpid of a group");
    expect_equal(describe(status), "killed by 15", "the child");
  });
  let_others_block();
  kill(-first, SIGTERM);
  waiter.join();
}

const checks registered{
    {"wait_without_hanging", wait_without_hanging},
    {"wait_lets_others_run", wait_lets_others_run},
    {"wait_for_any", wait_for_any},
    {"wait_with_usage", wait_with_usage},
    {"waits_of_several_threads", waits_of_several_threads},
    {"stopped_and_continued", stopped_and_continued},
    {"stopped_in_one_call", stopped_in_one_call},
    {"child_signal", child_signal},
    {"wait_by_group", wait_by_group},
};

} // namespace
