// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"
#include "tests/conformance/processes/child.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <vector>

namespace {

using namespace conformance;

// Threads that sleep, wait and talk while others fork, until the end of the scope.
class busy_threads {
 public:
  busy_threads() {
    for (int t = 0; t < 3; ++t)
      threads_.emplace_back([this] {
        while (!stop_.load())
          usleep(1000);
      });
    threads_.emplace_back([this] {
      char byte = 0;
      while (read(pipe_.reader, &byte, 1) == 1) {
      }
    });
    threads_.emplace_back([this] {
      while (!stop_.load()) {
        const std::lock_guard guard(lock_);
        sched_yield();
      }
    });
  }
  busy_threads(const busy_threads&) = delete;
  busy_threads& operator=(const busy_threads&) = delete;
  ~busy_threads() {
    stop_.store(true);
    close_once(pipe_.writer);
    for (std::thread& thread : threads_)
      thread.join();
  }

 private:
  pipe_pair pipe_;
  std::mutex lock_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

void fork_from_the_first_thread() {
  const pid_t child = in_child([] { return getppid() > 0 ? 42 : 1; });
  expect_equal(status_of(child), "exited 42", "the child");
}

void fork_from_a_thread_among_others() {
  const busy_threads others;
  std::thread([] {
    const pid_t parent = getpid();
    const pid_t child = in_child([parent] {
      if (getppid() != parent || getpid() == parent) return 1;
      if (gettid() != getpid()) return 2; // the child's only thread is its first
      usleep(2000);
      return 7;
    });
    expect_equal(status_of(child), "exited 7", "the child");
  }).join();
}

void child_uses_threads() {
  const busy_threads others;
  std::thread([] {
    const pid_t child = in_child([] {
      std::atomic<int> total{0};
      std::mutex lock;
      pipe_pair pipe;
      std::vector<std::thread> threads;
      for (int t = 0; t < 5; ++t)
        threads.emplace_back([&, t] {
          for (int i = 0; i < 20; ++i) {
            const std::lock_guard guard(lock);
            total.fetch_add(t);
            if (i % 5 == 0) usleep(100);
          }
          (void)!write(pipe.writer, "x", 1);
        });
      char bytes[5];
      for (int got = 0; got < 5;) {
        const ssize_t n = read(pipe.reader, bytes, sizeof bytes);
        if (n <= 0) return 1;
        got += static_cast<int>(n);
      }
      for (std::thread& thread : threads)
        thread.join();
      return total.load() == 200 ? 9 : 2;
    });
    expect_equal(status_of(child), "exited 9", "the child");
  }).join();
}

void many_children_at_once() {
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([t] {
      for (int i = 0; i < 4; ++i) {
        const pid_t child = in_child([t, i] {
          usleep(1000);
          return t * 10 + i;
        });
        expect_equal(status_of(child), "exited " + std::to_string(t * 10 + i), "own child");
      }
    });
  for (std::thread& thread : threads)
    thread.join();
}

void talk_over_pipes() {
  const busy_threads others;
  pipe_pair to_child;
  pipe_pair to_parent;
  const pid_t child = in_child([&] {
    close_once(to_child.writer);
    char text[16] = {};
    for (;;) {
      const ssize_t n = read(to_child.reader, text, sizeof text);
      if (n == 0) return 0;
      for (ssize_t i = 0; i < n; ++i)
        text[i] = static_cast<char>(text[i] - 'a' + 'A');
      if (write(to_parent.writer, text, static_cast<std::size_t>(n)) != n) return 1;
    }
  });
  close_once(to_child.reader);
  close_once(to_parent.writer);
  std::thread talker([&] {
    for (int i = 0; i < 50; ++i) {
      char answer[16] = {};
      expect_equal(write(to_child.writer, "hello", 5), 5, "write");
      std::size_t got = 0;
      while (got < 5) {
        const ssize_t n = read(to_parent.reader, answer + got, sizeof answer - got);
        if (n <= 0) return fail("the child does not answer");
        got += static_cast<std::size_t>(n);
      }
      expect_equal(std::string(answer), "HELLO", "the answer");
    }
    close_once(to_child.writer);
  });
  talker.join();
  expect_equal(status_of(child), "exited 0", "the child");
}

void child_inherits_its_threads_mask() {
  std::thread([] {
    const blocked outer{SIGUSR2, SIGHUP};
    const pid_t child = in_child([] {
      const bool right = is_blocked(SIGUSR2) && is_blocked(SIGHUP) && !is_blocked(SIGUSR1);
      return right ? 0 : 1;
    });
    expect_equal(status_of(child), "exited 0", "the child's mask is its forking thread's");
  }).join();
}

void child_has_no_pending_signals() {
  std::thread([] {
    const blocked outer{SIGUSR1};
    pthread_kill(pthread_self(), SIGUSR1);
    const pid_t child = in_child([] {
      sigset_t pending;
      sigpending(&pending);
      return sigismember(&pending, SIGUSR1);
    });
    expect_equal(status_of(child), "exited 0", "nothing is pending in the child");
    const sigset_t set = set_of({SIGUSR1});
    int number = 0;
    sigwait(&set, &number);
    expect_equal(number, SIGUSR1, "it is the parent's");
  }).join();
}

// A child is there as soon as its parent knows its number.
void signal_comes_at_once() {
  const handling handler(SIGTERM, [](int) { _exit(7); });
  pipe_pair end;
  std::vector<std::thread> others;
  for (int t = 0; t < 200; ++t)
    others.emplace_back([&] {
      char byte = 0;
      (void)!read(end.reader, &byte, 1);
    });
  std::thread([] {
    const blocked outer{SIGUSR1};
    for (int round = 0; round < 100; ++round) {
      const pid_t child = fork();
      if (child == 0)
        for (;;)
          pause();
      kill(child, SIGTERM);
      int status = 0;
      wait_until([&] { return waitpid(child, &status, WNOHANG) == child; }, "the child's end");
      if (failures() > 0) kill(child, SIGKILL);
      expect_equal(describe(status), "exited 7", "the child");
    }
  }).join();
  close_once(end.writer);
  for (std::thread& thread : others)
    thread.join();
}

std::string at_fork_order;
std::atomic<bool> at_fork_is_noted{false}; // not while several threads fork
void note_at_fork(const char* when) {
  if (at_fork_is_noted.load()) at_fork_order += when;
}

void at_fork_handlers() {
  static std::once_flag once;
  std::call_once(once, [] {
    pthread_atfork([] { note_at_fork("prepare "); }, [] { note_at_fork("parent "); },
                   [] { note_at_fork("child "); });
  });
  at_fork_order.clear();
  at_fork_is_noted.store(true);
  const pid_t child = in_child([] { return at_fork_order == "prepare child " ? 0 : 1; });
  at_fork_is_noted.store(false);
  expect_equal(at_fork_order, "prepare parent ", "the parent's handlers");
  expect_equal(status_of(child), "exited 0", "the child's handlers");
}

void grandchildren() {
  const pid_t child = in_child([] {
    int result = -1;
    std::thread([&result] {
      const pid_t grandchild = in_child([] {
        std::thread([] { usleep(1000); }).join();
        return 5;
      });
      result = status_of(grandchild) == "exited 5" ? 6 : 1;
    }).join();
    return result;
  });
  expect_equal(status_of(child), "exited 6", "the child");
}

const checks registered{
    {"fork_from_the_first_thread", fork_from_the_first_thread},
    {"fork_from_a_thread_among_others", fork_from_a_thread_among_others},
    {"child_uses_threads", child_uses_threads},
    {"many_children_at_once", many_children_at_once},
    {"talk_over_pipes", talk_over_pipes},
    {"child_inherits_its_threads_mask", child_inherits_its_threads_mask},
    {"child_has_no_pending_signals", child_has_no_pending_signals},
    {"child_hears_at_once", signal_comes_at_once},
    {"at_fork_handlers", at_fork_handlers},
    {"grandchildren", grandchildren},
};

} // namespace
