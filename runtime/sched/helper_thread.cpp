// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/helper_thread.hpp"

#include <pthread.h>
#include <signal.h>

#include <mutex>
#include <new>
#include <thread>

#include "runtime/sched/deadlock.hpp"

namespace weft::detail {
namespace {

std::mutex count_mutex;
unsigned running = 0; // under count_mutex: those of here among helper_threads

void count(int change) noexcept {
  const std::lock_guard held(count_mutex);
  running += static_cast<unsigned>(change);
  helper_threads.fetch_add(static_cast<unsigned>(change), std::memory_order_acq_rel);
}

void before_fork() noexcept {
  count_mutex.lock();
}
void after_fork_in_parent() noexcept {
  count_mutex.unlock();
}
void after_fork_in_child() noexcept {
  helper_threads.fetch_sub(running, std::memory_order_acq_rel);
  running = 0;
  ::new (static_cast<void*>(&count_mutex)) std::mutex;
}

} // namespace

void start_helper_thread(std::function<void()> f) {
  static const int once =
      ::pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child);
  static_cast<void>(once);
  sigset_t all, mine;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &mine);
  try {
    // It counts itself: counted before it is there, it would hide another thread.
    std::thread([call = std::move(f)] {
      count(1);
      call();
      count(-1);
    }).detach();
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &mine, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &mine, nullptr);
}

} // namespace weft::detail
