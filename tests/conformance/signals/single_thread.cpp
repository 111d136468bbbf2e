// SPDX-License-Identifier: BSL-1.0
//
// What a program with one thread finds, in which weft leaves waiting to the kernel.
#include "tests/conformance/check.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <csignal>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

// In a handler: what was handled, and whether SIGUSR2 was blocked then.
std::vector<std::pair<int, bool>> seen;
void note(int number) {
  seen.emplace_back(number, is_blocked(SIGUSR2));
}

// SIGUSR1 and SIGUSR2 are blocked and pending; `wait` waits with SIGUSR2 blocked.
template <class Wait>
void mask_of_the_call(const char* name, Wait&& wait) {
  seen.clear();
  const handling first(SIGUSR1, note), second(SIGUSR2, note);
  sigset_t pending;
  {
    const blocked both{SIGUSR1, SIGUSR2};
    raise(SIGUSR2);
    kill(getpid(), SIGUSR1);
    const sigset_t mask = set_of({SIGUSR2});
    expect_errno(wait(mask), EINTR, name);
    expect_equal(seen.size(), 1u, "handled");
    if (!seen.empty()) {
      expect_equal(seen.front().first, SIGUSR1, "what the call let in");
      expect(seen.front().second, "the handler runs with the call's mask");
    }
    expect(is_blocked(SIGUSR1), "the mask is back");
    sigpending(&pending);
    expect(sigismember(&pending, SIGUSR2), "the other is still pending");
    expect(!sigismember(&pending, SIGUSR1), "the handled one is not");
  }
  expect_equal(seen.size(), 2u, "handled when unblocked");
}

void sigsuspend_has_its_mask() {
  mask_of_the_call("sigsuspend", [](const sigset_t& mask) { return sigsuspend(&mask); });
}

void ppoll_has_its_mask() {
  const timespec long_time{20, 0};
  mask_of_the_call("ppoll",
                   [&](const sigset_t& mask) { return ppoll(nullptr, 0, &long_time, &mask); });
}

void pselect_has_its_mask() {
  const timespec long_time{20, 0};
  mask_of_the_call("pselect", [&](const sigset_t& mask) {
    return pselect(0, nullptr, nullptr, nullptr, &long_time, &mask);
  });
}

void epoll_pwait_has_its_mask() {
  const int epoll = epoll_create1(0);
  epoll_event event;
  mask_of_the_call("epoll_pwait", [&](const sigset_t& mask) {
    return epoll_pwait(epoll, &event, 1, 20000, &mask);
  });
  close(epoll);
}

std::vector<int> values;
void note_value(int, siginfo_t* info, void*) {
  values.push_back(info->si_value.sival_int);
}

void queued_signals_come_in_order() {
  values.clear();
  struct sigaction action {
  }, before{};
  action.sa_sigaction = note_value;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGRTMAX, &action, &before);
  std::vector<int> sent;
  {
    const blocked one{SIGRTMAX};
    for (int i = 1; i <= 20; ++i) {
      sent.push_back(i);
      expect_equal(sigqueue(getpid(), SIGRTMAX, {.sival_int = i}), 0, "sigqueue");
    }
  }
  expect(values == sent, "each once, in order");
  sigaction(SIGRTMAX, &before, nullptr);
}

void pending_stays_with_the_first_thread() {
  const handling first(SIGUSR1, note), second(SIGUSR2, note);
  const blocked both{SIGUSR1, SIGUSR2, SIGRTMIN};
  raise(SIGUSR1);
  for (int i = 0; i < 2; ++i)
    pthread_sigqueue(pthread_self(), SIGRTMIN, {.sival_int = i});
  kill(getpid(), SIGUSR2);
  std::thread([] {
    sigset_t pending;
    sigpending(&pending);
    expect(!sigismember(&pending, SIGUSR1), "another thread's raise");
    expect(!sigismember(&pending, SIGRTMIN), "another thread's pthread_sigqueue");
    expect(sigismember(&pending, SIGUSR2), "the process's signal");
  }).join();
  const timespec none{0, 0};
  const sigset_t set = set_of({SIGUSR1, SIGUSR2, SIGRTMIN});
  siginfo_t info;
  expect_equal(sigtimedwait(&set, &info, &none), SIGUSR1, "the first thread's");
  for (int i = 0; i < 2; ++i) {
    expect_equal(sigtimedwait(&set, &info, &none), SIGRTMIN, "the first thread's real-time one");
    expect_equal(info.si_value.sival_int, i, "in order");
  }
  expect_equal(sigtimedwait(&set, &info, &none), SIGUSR2, "the process's");
  expect_errno(sigtimedwait(&set, &info, &none), EAGAIN, "nothing is left");
}

const checks all{
    {"sigsuspend_has_its_mask", sigsuspend_has_its_mask},
    {"ppoll_has_its_mask", ppoll_has_its_mask},
    {"pselect_has_its_mask", pselect_has_its_mask},
    {"epoll_pwait_has_its_mask", epoll_pwait_has_its_mask},
    {"queued_signals_come_in_order", queued_signals_come_in_order},
    {"pending_stays_with_the_first_thread", pending_stays_with_the_first_thread},
};

} // namespace
