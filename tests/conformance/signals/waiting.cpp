// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace {

using namespace conformance;

void sigwait_gets_a_thread_signal() {
  const blocked outer{SIGUSR1, SIGUSR2};
  std::thread waiter([] {
    const sigset_t set = set_of({SIGUSR1, SIGUSR2});
    int number = 0;
    expect_equal(sigwait(&set, &number), 0, "sigwait");
    expect_equal(number, SIGUSR2, "the signal");
  });
  let_others_block();
  pthread_kill(waiter.native_handle(), SIGUSR2);
  waiter.join();
}

void sigwait_gets_a_process_signal() {
  const blocked outer{SIGTERM};
  std::thread waiter([] {
    for (int i = 0; i < 5; ++i) {
      const sigset_t set = set_of({SIGTERM});
      siginfo_t info{};
      expect_equal(sigwaitinfo(&set, &info), SIGTERM, "sigwaitinfo");
      expect_equal(info.si_pid, getpid(), "the sender");
      expect_equal(info.si_code, SI_USER, "the code");
    }
  });
  for (int i = 0; i < 5; ++i) {
    kill(getpid(), SIGTERM);
    wait_until(
        [] {
          sigset_t pending;
          sigpending(&pending);
          return sigismember(&pending, SIGTERM) == 0;
        },
        "the signal was taken");
  }
  waiter.join();
}

void sigwait_takes_what_is_pending() {
  const blocked outer{SIGUSR1};
  std::thread([] {
    pthread_kill(pthread_self(), SIGUSR1);
    const sigset_t set = set_of({SIGUSR1});
    int number = 0;
    expect_equal(sigwait(&set, &number), 0, "sigwait");
    expect_equal(number, SIGUSR1, "the signal");
    sigset_t pending;
    sigpending(&pending);
    expect(sigismember(&pending, SIGUSR1) == 0, "taken");
  }).join();
}

void sigtimedwait_times_out() {
  const blocked outer{SIGUSR1};
  std::thread([] {
    const sigset_t set = set_of({SIGUSR1});
    const timespec wait{0, 70'000'000};
    const stopwatch watch;
    expect_errno(sigtimedwait(&set, nullptr, &wait), EAGAIN, "sigtimedwait");
    watch.expect_between(70ms, 8s, "sigtimedwait");
    const timespec none{0, 0};
    expect_errno(sigtimedwait(&set, nullptr, &none), EAGAIN, "sigtimedwait of no time");
    pthread_kill(pthread_self(), SIGUSR1);
    expect_equal(sigtimedwait(&set, nullptr, &none), SIGUSR1, "sigtimedwait of a pending signal");
  }).join();
}

void queued_signals_carry_values() {
  const int number = SIGRTMIN + 3;
  const blocked outer{number};
  for (int i = 0; i < 4; ++i) {
    sigval value{};
    value.sival_int = 100 + i;
    expect_equal(sigqueue(getpid(), number, value), 0, "sigqueue");
  }
  std::thread([number] {
    const sigset_t set = set_of({number});
    for (int i = 0; i < 4; ++i) {
      siginfo_t info{};
      expect_equal(sigwaitinfo(&set, &info), number, "sigwaitinfo");
      expect_equal(info.si_value.sival_int, 100 + i, "values in order");
      expect_equal(info.si_code, SI_QUEUE, "the code");
    }
  }).join();
}

void thread_queued_signals_carry_values() {
  const int number = SIGRTMIN + 4;
  const blocked outer{number};
  std::thread waiter([number] {
    const sigset_t set = set_of({number});
    for (int i = 0; i < 3; ++i) {
      siginfo_t info{};
      expect_equal(sigwaitinfo(&set, &info), number, "sigwaitinfo");
      expect_equal(info.si_value.sival_int, i, "values in order");
    }
  });
  for (int i = 0; i < 3; ++i) {
    sigval value{};
    value.sival_int = i;
    expect_equal(pthread_sigqueue(waiter.native_handle(), number, value), 0, "pthread_sigqueue");
  }
  waiter.join();
}

void sigsuspend_lets_one_in() {
  static std::atomic<int> handled{0};
  const handling handler(SIGUSR1, [](int) { handled.fetch_add(1); });
  const blocked outer{SIGUSR1};
  std::thread waiter([] {
    const sigset_t nothing = set_of({});
    expect_errno(sigsuspend(&nothing), EINTR, "sigsuspend");
    expect_equal(handled.load(), 1, "the handler has run");
    expect(is_blocked(SIGUSR1), "the old mask is back");
  });
  let_others_block();
  expect_equal(handled.load(), 0, "blocked so far or not sent");
  pthread_kill(waiter.native_handle(), SIGUSR1);
  waiter.join();

  std::thread([] { // pending before the call
    pthread_kill(pthread_self(), SIGUSR1);
    const sigset_t nothing = set_of({});
    expect_errno(sigsuspend(&nothing), EINTR, "sigsuspend with one pending");
    expect_equal(handled.load(), 2, "the handler has run");
  })
      .join();
}

void ppoll_lets_one_in() {
  static std::atomic<int> handled{0};
  const handling handler(SIGUSR1, [](int) { handled.fetch_add(1); });
  const blocked outer{SIGUSR1};
  std::thread([] {
    pthread_kill(pthread_self(), SIGUSR1);
    const sigset_t nothing = set_of({});
    const timespec long_time{20, 0};
    expect_errno(ppoll(nullptr, 0, &long_time, &nothing), EINTR, "ppoll");
    expect_equal(handled.load(), 1, "the handler has run");
    expect(is_blocked(SIGUSR1), "the old mask is back");
  }).join();
}

void signal_descriptor() {
  const blocked outer{SIGUSR2};
  const sigset_t set = set_of({SIGUSR2});
  const int fd = signalfd(-1, &set, SFD_CLOEXEC);
  expect(fd >= 0, "signalfd");
  std::thread reader([fd] {
    for (int i = 0; i < 3; ++i) {
      signalfd_siginfo info{};
      expect_equal(read(fd, &info, sizeof info), static_cast<ssize_t>(sizeof info), "read");
      expect_equal(info.ssi_signo, static_cast<unsigned>(SIGUSR2), "the signal");
      expect_equal(info.ssi_pid, static_cast<unsigned>(getpid()), "the sender");
    }
  });
  for (int i = 0; i < 3; ++i) {
    usleep(10'000);
    kill(getpid(), SIGUSR2);
    wait_until(
        [] {
          sigset_t pending;
          sigpending(&pending);
          return sigismember(&pending, SIGUSR2) == 0;
        },
        "the signal was read");
  }
  reader.join();
  close(fd);
}

void signal_for_the_last_thread() {
  const blocked outer{SIGUSR1};
  const pthread_t first = pthread_self();
  std::thread([first] { pthread_kill(first, SIGUSR1); }).join();
  sigset_t set;
  sigpending(&set);
  expect(sigismember(&set, SIGUSR1) == 1, "pending for the thread that is left");
  set = set_of({SIGUSR1});
  int number = 0;
  expect_equal(sigwait(&set, &number), 0, "sigwait");
  expect_equal(number, SIGUSR1, "the signal");
}

void ppoll_leaves_what_it_has_no_need_of() {
  static std::atomic<int> handled{0};
  handled.store(0);
  const blocked outer{SIGUSR2};
  const handling handler(SIGUSR2, [](int) { handled.fetch_add(1); });
  std::thread([] {
    sigset_t none;
    sigemptyset(&none);
    int ends[2] = {-1, -1};
    expect_equal(pipe(ends), 0, "pipe");
    expect_equal(write(ends[1], "x", 1), 1, "write");
    pollfd entry{ends[0], POLLIN, 0};
    kill(getpid(), SIGUSR2);
    expect_equal(ppoll(&entry, 1, nullptr, &none), 1, "ppoll of what is ready");
    expect_equal(handled.load(), 0, "the signal stays pending");
    entry.fd = -1;
    const timespec limit{10, 0};
    expect_errno(ppoll(&entry, 1, &limit, &none), EINTR, "ppoll");
    expect_equal(handled.load(), 1, "handled");
    close(ends[0]);
    close(ends[1]);
  }).join();
}

const checks registered{
    {"sigwait_gets_a_thread_signal", sigwait_gets_a_thread_signal},
    {"sigwait_gets_a_process_signal", sigwait_gets_a_process_signal},
    {"sigwait_takes_what_is_pending", sigwait_takes_what_is_pending},
    {"sigtimedwait_times_out", sigtimedwait_times_out},
    {"queued_signals_carry_values", queued_signals_carry_values},
    {"thread_queued_signals_carry_values", thread_queued_signals_carry_values},
    {"sigsuspend_lets_one_in", sigsuspend_lets_one_in},
    {"ppoll_lets_one_in", ppoll_lets_one_in},
    {"signal_descriptor", signal_descriptor},
    {"signal_for_the_last_thread", signal_for_the_last_thread},
    {"ppoll_leaves_what_it_has_no_need_of", ppoll_leaves_what_it_has_no_need_of},
};

} // namespace
