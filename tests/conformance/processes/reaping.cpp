// SPDX-License-Identifier: BSL-1.0
//
// Waits for children that end in unusual ways or are not one's own making.
#include "tests/conformance/descriptors.hpp"
#include "tests/conformance/futexes/other_process.hpp"
#include "tests/conformance/processes/child.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <csignal>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <vector>

namespace {

using namespace conformance;

// Runs in a thread, with another one that works meanwhile and must not be held up.
template <class Body>
void beside_a_worker(Body body) {
  std::atomic<bool> done{false};
  std::atomic<int> steps{0};
  std::thread worker([&] {
    while (!done.load() || steps.load() < 5) {
      usleep(1000);
      steps.fetch_add(1);
    }
  });
  std::thread(body).join();
  done.store(true);
  worker.join();
}

int after(int milliseconds, int result) {
  usleep(static_cast<useconds_t>(milliseconds) * 1000);
  return result;
}

void nobody_is_to_be_told() {
  for (const bool by_flag : {false, true})
    beside_a_worker([by_flag] {
      struct sigaction action = {}, before;
      action.sa_handler = by_flag ? SIG_DFL : SIG_IGN;
      action.sa_flags = by_flag ? SA_NOCLDWAIT : 0;
      sigaction(SIGCHLD, &action, &before);
      const stopwatch watch;
      in_child([] { return after(60, 1); });
      const pid_t second = in_child([] { return after(20, 2); });
      expect_errno(waitpid(second, nullptr, 0), ECHILD, "waits for its end, and finds nothing");
      expect_errno(wait(nullptr), ECHILD, "waits for all their ends");
      watch.expect_between(60ms, 20s, "the waits");
      sigaction(SIGCHLD, &before, nullptr);
    });
}

std::atomic<int> told{0};

void told_of_each() {
  beside_a_worker([] {
    told.store(0);
    const handling handler(SIGCHLD, [](int) { told.fetch_add(1); });
    for (int i = 0; i < 10; ++i) {
      const pid_t child = in_child([] { return after(2, 4); });
      int status = 0;
      // A handler without SA_RESTART may interrupt the wait, but not make it lose the child.
      pid_t found;
      while ((found = waitpid(child, &status, 0)) == -1 && errno == EINTR) {
      }
      expect_equal(found, child, "waitpid");
      expect_equal(describe(status), "exited 4", "the child");
      wait_until([&] { return told.load() == i + 1; }, "SIGCHLD");
    }
  });
}

void interrupted() {
  const handling handler(SIGUSR1, [](int) {});
  const handling restarting(
      SIGUSR2, [](int) {}, SA_RESTART);
  const pid_t child = in_child([] {
    pause();
    return 0;
  });
  std::atomic<bool> second{false};
  std::thread waiter([&] {
    expect_errno(waitpid(child, nullptr, 0), EINTR, "waitpid and a handler");
    second.store(true);
    expect_equal(status_of(child), "killed by 15", "and after one with SA_RESTART");
  });
  let_others_block();
  pthread_kill(waiter.native_handle(), SIGUSR1);
  wait_until([&] { return second.load(); }, "the interruption");
  let_others_block();
  pthread_kill(waiter.native_handle(), SIGUSR2);
  let_others_block();
  kill(child, SIGTERM);
  waiter.join();
}

// A grandchild whose parent ended becomes ours.
void adopted() {
  beside_a_worker([] {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pipe_pair pipe;
    const pid_t child = in_child([&] {
      const pid_t grandchild = in_child([] { return after(30, 8); });
      return write(pipe.writer, &grandchild, sizeof grandchild) == sizeof grandchild ? 0 : 1;
    });
    pid_t grandchild = 0;
    expect_equal(read(pipe.reader, &grandchild, sizeof grandchild), sizeof grandchild, "read");
    expect_equal(status_of(child), "exited 0", "the child");
    int status = 0;
    expect_equal(wait(&status), grandchild, "the grandchild");
    expect_equal(describe(status), "exited 8", "the grandchild");
    prctl(PR_SET_CHILD_SUBREAPER, 0);
  });
}

struct pids {
  std::atomic<pid_t> child{0};
};
const role waiting_after_exec{"waiting after exec", [](void* at) {
                                const pid_t child = static_cast<pids*>(at)->child.load();
                                int status = 0;
                                std::thread([&] {
                                  if (waitpid(child, &status, 0) != child) status = 77 << 8;
                                }).join();
                                return WEXITSTATUS(status);
                              }};

// Children stay when their parent becomes another program.
void kept_over_exec() {
  const shared_object<pids> p;
  const pid_t child = in_child([&] {
    p->child.store(in_child([] { return after(40, 21); }));
    setenv("CONFORMANCE_ROLE", "waiting after exec", 1);
    setenv("CONFORMANCE_FILE", std::to_string(p.file()).c_str(), 1);
    execl("/proc/self/exe", "role", nullptr);
    return 1;
  });
  expect_equal(status_of(child), "exited 21", "what the program told of its child");
}

void many_at_once() {
  beside_a_worker([] {
    std::vector<pid_t> children;
    for (int i = 0; i < 60; ++i)
      children.push_back(in_child([i] { return after(i % 7, i); }));
    int sum = 0;
    std::atomic<int> reaped{0};
    std::thread other([&] {
      while (waitpid(-1, nullptr, 0) > 0)
        reaped.fetch_add(1);
    });
    while (waitpid(0, nullptr, 0) > 0)
      ++sum;
    other.join();
    expect_equal(sum + reaped.load(), 60, "each was waited for once");
  });
}

// A stop that only a tracer is told of.
void traced() {
  beside_a_worker([] {
    const pid_t child = in_child([] {
      ptrace(PTRACE_TRACEME, 0, 0, 0);
      raise(SIGUSR1);
      return 3;
    });
    int status = 0;
    expect_equal(waitpid(child, &status, 0), child, "waitpid");
    expect(WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1, "stopped by its signal");
    kill(child, SIGKILL);
    expect_equal(status_of(child), "killed by 9", "the child");
  });
}

void by_descriptor() {
  beside_a_worker([] {
    for (const int flags : {0, O_NONBLOCK}) {
      const pid_t child = in_child([] { return after(30, 6); });
      const int fd = static_cast<int>(syscall(SYS_pidfd_open, child, flags));
      expect(fd >= 0, "pidfd_open");
      siginfo_t info{};
      constexpr auto by_pidfd = static_cast<idtype_t>(3); // P_PIDFD
      const auto id = static_cast<id_t>(fd);
      if (flags) {
        expect_errno(waitid(by_pidfd, id, &info, WEXITED), EAGAIN, "one that does not wait");
        usleep(60'000);
        wait_until([&] { return waitid(by_pidfd, id, &info, WEXITED) == 0; }, "its end");
      } else {
        expect_equal(waitid(by_pidfd, id, &info, WEXITED), 0, "waitid");
      }
      expect_equal(info.si_pid, child, "who");
      expect_equal(info.si_status, 6, "how");
      close(fd);
    }
  });
}

void stops_without_hanging() {
  beside_a_worker([] {
    const pid_t child = in_child([] {
      raise(SIGSTOP);
      pause();
      return 5;
    });
    siginfo_t info{};
    expect_equal(waitid(P_PID, static_cast<id_t>(child), &info, WSTOPPED | WNOWAIT), 0, "waitid");
    expect_equal(info.si_code, CLD_STOPPED, "stopped");
    int status = 0;
    expect_equal(waitpid(child, &status, WUNTRACED), child, "once more");
    std::thread continuing([child] {
      usleep(20'000);
      kill(child, SIGCONT);
    });
    expect_equal(waitpid(child, &status, WCONTINUED), child, "waitpid");
    expect(WIFCONTINUED(status), "continued");
    continuing.join();
    kill(child, SIGTERM);
    expect_equal(status_of(child), "killed by 15", "the child");
  });
}

const checks registered{
    {"nobody_is_to_be_told", nobody_is_to_be_told},
    {"told_of_each", told_of_each},
    {"wait_is_interrupted", interrupted},
    {"adopted_children", adopted},
    {"children_kept_over_exec", kept_over_exec},
    {"many_children_and_two_waiters", many_at_once},
    {"traced_child", traced},
    {"wait_by_descriptor", by_descriptor},
    {"stops_without_hanging", stops_without_hanging},
};

} // namespace
