// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <csignal>
#include <initializer_list>
#include <pthread.h>

namespace conformance {

inline sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : signals)
    sigaddset(&set, number);
  return set;
}

// Blocks signals in the calling thread, and in those that it makes, until the end of the scope.
class blocked {
 public:
  blocked(std::initializer_list<int> signals) {
    const sigset_t set = set_of(signals);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  blocked(const blocked&) = delete;
  blocked& operator=(const blocked&) = delete;
  ~blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

// A handler until the end of the scope.
class handling {
 public:
  handling(int number, void (*handler)(int), int flags = 0) : number_(number) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(number, &action, &before_);
  }
  handling(const handling&) = delete;
  handling& operator=(const handling&) = delete;
  ~handling() { sigaction(number_, &before_, nullptr); }

 private:
  int number_;
  struct sigaction before_ {};
};

inline bool is_blocked(int number) {
  sigset_t now;
  pthread_sigmask(SIG_BLOCK, nullptr, &now);
  return sigismember(&now, number) == 1;
}

} // namespace conformance
