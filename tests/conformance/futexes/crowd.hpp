// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "tests/conformance/futexes/other_process.hpp"

#include <atomic>
#include <climits>
#include <linux/futex.h>
#include <thread>
#include <vector>

namespace conformance {

// futex(2) on a word that other processes may share.
template <class... Arguments>
long shared_futex(std::atomic<unsigned>& word, int operation, Arguments... arguments) {
  return syscall(SYS_futex, &word, operation, arguments...);
}

// Until `expected` threads wait for the word: moved onto itself, none is woken.
inline void await_waiters(std::atomic<unsigned>& word, int expected) {
  wait_until(
      [&] { return shared_futex(word, FUTEX_REQUEUE, 0, long{INT_MAX}, &word, 0) == expected; },
      "waiters");
}

// Threads that wait for a word in shared memory as long as this lives. They are more than may hold
// a kernel thread each, so that all who come after them wait in another way.
class crowd {
 public:
  explicit crowd(int size = 8) {
    for (int i = 0; i < size; ++i)
      threads_.emplace_back([this] {
        while (word_->load() == 0)
          shared_futex(*word_, FUTEX_WAIT, 0, nullptr, nullptr, 0);
      });
    await_waiters(*word_, size);
  }
  crowd(const crowd&) = delete;
  crowd& operator=(const crowd&) = delete;
  ~crowd() {
    word_->store(1);
    shared_futex(*word_, FUTEX_WAKE, INT_MAX);
    for (std::thread& thread : threads_)
      thread.join();
  }

 private:
  const shared_object<std::atomic<unsigned>> word_;
  std::vector<std::thread> threads_;
};

// A check once more, among many who wait.
template <void (*Body)()>
void in_a_crowd() {
  const crowd others;
  Body();
}

} // namespace conformance
