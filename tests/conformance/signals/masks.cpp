// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

std::atomic<int> handled{0};
std::atomic<pid_t> handled_by{0};

void note(int) {
  handled_by.store(gettid());
  handled.fetch_add(1);
}

void mask_of_each_thread() {
  const blocked outer{SIGUSR1};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([t] {
      expect(is_blocked(SIGUSR1), "a new thread has its creator's mask");
      expect(!is_blocked(SIGUSR2), "and only that");
      const sigset_t own = set_of({t % 2 == 0 ? SIGUSR2 : SIGHUP});
      pthread_sigmask(SIG_SETMASK, &own, nullptr);
      for (int i = 0; i < 10; ++i) {
        if (i % 3 == 0) usleep(300);
        sched_yield();
        expect_equal(is_blocked(SIGUSR2), t % 2 == 0, "the mask stays over switches");
        expect_equal(is_blocked(SIGHUP), t % 2 == 1, "the mask stays over switches");
        expect(!is_blocked(SIGUSR1), "the mask stays over switches");
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  expect(is_blocked(SIGUSR1) && !is_blocked(SIGUSR2), "main's mask is its own");
}

void sigkill_cannot_be_blocked() {
  const blocked outer{SIGKILL, SIGSTOP};
  expect(!is_blocked(SIGKILL) && !is_blocked(SIGSTOP), "SIGKILL and SIGSTOP stay unblocked");
}

void pending_until_unblocked() {
  handled.store(0);
  const handling handler(SIGUSR1, note);
  std::thread([] {
    const blocked outer{SIGUSR1};
    pthread_kill(pthread_self(), SIGUSR1);
    pthread_kill(pthread_self(), SIGUSR1); // standard signals do not queue
    usleep(2000);
    expect_equal(handled.load(), 0, "a blocked signal waits");
    sigset_t pending;
    sigpending(&pending);
    expect(sigismember(&pending, SIGUSR1) == 1, "sigpending shows it");
    const sigset_t set = set_of({SIGUSR1});
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    expect_equal(handled.load(), 1, "delivered once, before pthread_sigmask returns");
    expect_equal(handled_by.load(), gettid(), "to the thread it was sent to");
    sigpending(&pending);
    expect(sigismember(&pending, SIGUSR1) == 0, "no longer pending");
  }).join();
}

void pending_belongs_to_its_thread() {
  handled.store(0);
  const handling handler(SIGUSR1, note);
  const blocked outer{SIGUSR1};
  sem_t go;
  sem_init(&go, 0, 0);
  std::thread target([&] {
    sem_wait(&go);
    const sigset_t set = set_of({SIGUSR1});
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    expect_equal(handled_by.load(), gettid(), "handled by its target");
  });
  pthread_kill(target.native_handle(), SIGUSR1);
  sigset_t pending;
  sigpending(&pending);
  expect(sigismember(&pending, SIGUSR1) == 0, "not pending for another thread");
  sem_post(&go);
  target.join();
  expect_equal(handled.load(), 1, "handled once");
  sem_destroy(&go);
}

void process_signal_goes_to_a_willing_thread() {
  handled.store(0);
  const handling handler(SIGUSR1, note, SA_RESTART);
  const blocked outer{SIGUSR1};
  std::atomic<pid_t> willing{0};
  sem_t end;
  sem_init(&end, 0, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      if (t == 4) {
        const sigset_t set = set_of({SIGUSR1});
        pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
        willing.store(gettid());
      }
      sem_wait(&end);
    });
  wait_until([&] { return willing.load() != 0; }, "the willing thread runs");
  for (int i = 1; i <= 20; ++i) {
    kill(getpid(), SIGUSR1);
    wait_until([&] { return handled.load() == i; }, "the signal was handled");
    expect_equal(handled_by.load(), willing.load(), "by the one thread that has it unblocked");
  }
  for (int t = 0; t < 6; ++t)
    sem_post(&end);
  for (std::thread& thread : threads)
    thread.join();
  sem_destroy(&end);
}

// Linux asks the first thread first, whoever runs; programs whose main loop ends by EINTR rely on
// it.
void process_signal_prefers_the_first_thread() {
  handled.store(0);
  const handling handler(SIGUSR1, note);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      while (!stop.load())
        sched_yield();
    });
  for (int i = 1; i <= 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      usleep(10'000);
      kill(getppid(), SIGUSR1);
      _exit(0);
    }
    const bool is_late = handled.load() == i; // am I, on a busy machine
    const int result = is_late ? -1 : poll(nullptr, 0, 10'000);
    if (!is_late) expect_errno(result, EINTR, "poll of the first thread");
    expect_equal(handled_by.load(), getpid(), "handled by the first thread");
    expect_equal(handled.load(), i, "handled once");
    waitpid(child, nullptr, 0);
    if (result == 0) break; // the rest would be as slow and as wrong
  }
  stop.store(true);
  for (std::thread& thread : threads)
    thread.join();
}

void process_signal_waits_for_a_willing_thread() {
  handled.store(0);
  const handling handler(SIGUSR1, note);
  const blocked outer{SIGUSR1};
  kill(getpid(), SIGUSR1);
  usleep(5000);
  expect_equal(handled.load(), 0, "blocked everywhere");
  std::thread([] {
    sigset_t pending;
    sigpending(&pending);
    expect(sigismember(&pending, SIGUSR1) == 1, "pending for the process");
    const sigset_t set = set_of({SIGUSR1});
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    wait_until([] { return handled.load() == 1; }, "delivered when one unblocks it");
    expect_equal(handled_by.load(), gettid(), "to that thread");
  }).join();
}

void blocked_while_its_handler_runs() {
  static std::atomic<bool> self_blocked{false};
  static std::atomic<bool> other_blocked{false};
  struct sigaction action {};
  action.sa_handler = [](int) {
    self_blocked.store(is_blocked(SIGUSR1));
    other_blocked.store(is_blocked(SIGUSR2));
  };
  action.sa_mask = set_of({SIGUSR2});
  sigaction(SIGUSR1, &action, nullptr);
  std::thread([] { pthread_kill(pthread_self(), SIGUSR1); }).join();
  expect(self_blocked.load() && other_blocked.load(), "itself and sa_mask are blocked meanwhile");
  expect(!is_blocked(SIGUSR1) && !is_blocked(SIGUSR2), "and not afterwards");
  signal(SIGUSR1, SIG_DFL);
}

// A mask that a program sets by the bare call is no matter of a moment, even one that libc itself
// uses only for moments.
void everything_blocked_by_a_bare_call() {
  const pid_t child = fork();
  if (child == 0) {
    const std::uint64_t everything = ~std::uint64_t{0};
    std::thread([&] {
      std::thread other([&] {
        syscall(SYS_rt_sigprocmask, SIG_BLOCK, &everything, nullptr, sizeof everything);
        usleep(20'000);
      });
      syscall(SYS_rt_sigprocmask, SIG_SETMASK, &everything, nullptr, sizeof everything);
      other.join();
    }).join();
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &everything, nullptr, sizeof everything);
    std::thread([&] {
      kill(getpid(), SIGTERM);
      sched_yield();
    }).join();
    sigset_t pending;
    sigpending(&pending);
    _exit(sigismember(&pending, SIGTERM) == 1 ? 7 : 8);
  }
  int how = 0;
  waitpid(child, &how, 0);
  expect(WIFEXITED(how), "a signal that all block does not kill");
  expect_equal(WEXITSTATUS(how), 7, "and is pending");
}

std::atomic<int> while_blocked{0};

void note_alarm(int, siginfo_t*, void* context) {
  const auto& mask = static_cast<ucontext_t*>(context)->uc_sigmask;
  if (sigismember(&mask, SIGALRM) == 1) while_blocked.fetch_add(1);
  handled.fetch_add(1);
}

// libc blocks all signals for moments then.
void signals_while_threads_are_made() {
  handled.store(0);
  struct sigaction action {
  }, before{};
  action.sa_sigaction = note_alarm;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGALRM, &action, &before);
  const itimerval often{{0, 200}, {0, 200}}, never{};
  setitimer(ITIMER_REAL, &often, nullptr);
  wait_until(
      [] {
        for (int i = 0; i < 20; ++i) {
          std::thread one([] { expect(!is_blocked(SIGALRM), "a new thread's mask"); });
          std::thread other([] { sched_yield(); });
          one.join();
          other.join();
        }
        return handled.load() >= 200;
      },
      "200 alarms");
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  expect_equal(while_blocked.load(), 0, "alarms handled by a thread that blocked them");
}

const checks registered{
    {"everything_blocked_by_a_bare_call", everything_blocked_by_a_bare_call},
    {"signals_while_threads_are_made", signals_while_threads_are_made},
    {"mask_of_each_thread", mask_of_each_thread},
    {"sigkill_cannot_be_blocked", sigkill_cannot_be_blocked},
    {"pending_until_unblocked", pending_until_unblocked},
    {"pending_belongs_to_its_thread", pending_belongs_to_its_thread},
    {"process_signal_goes_to_a_willing_thread", process_signal_goes_to_a_willing_thread},
    {"process_signal_prefers_the_first_thread", process_signal_prefers_the_first_thread},
    {"process_signal_waits_for_a_willing_thread", process_signal_waits_for_a_willing_thread},
    {"blocked_while_its_handler_runs", blocked_while_its_handler_runs},
};

} // namespace
