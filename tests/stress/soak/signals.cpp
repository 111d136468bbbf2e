// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/soak/scene.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <unistd.h>

namespace {

using namespace soak;

/// Signals queued to a thread that waits for them: each is fetched once, in order.
void awaited(chance& c) {
  const int receivers = c.between(1, 8);
  const int each = c.between(1, 60);
  const int number = take_signal();
  struct receiver {
    pthread_t id;
    sem_t ready;
  };
  const std::unique_ptr<receiver[]> all(new receiver[static_cast<std::size_t>(receivers)]);
  std::vector<thread> threads;
  for (int i = 0; i < receivers; ++i) {
    receiver& r = all[static_cast<std::size_t>(i)];
    sem_init(&r.ready, 0, 0);
    threads.emplace_back([&r, each, number, own = c.split()]() mutable {
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, number);
      pthread_sigmask(SIG_BLOCK, &set, nullptr);
      r.id = pthread_self();
      sem_post(&r.ready);
      for (int n = 0; n < each;) {
        siginfo_t info{};
        const timespec patience{0, own.between(1, 5000) * 1000};
        const int got =
            own.one_in(3) ? sigtimedwait(&set, &info, &patience) : sigwaitinfo(&set, &info);
        if (got < 0) {
          if (errno != EINTR && errno != EAGAIN) fail("sigwaitinfo", errno, 0);
          continue;
        }
        expect_equal(got, number, "the signal waited for");
        expect_equal(info.si_value.sival_int, n, "the order of queued signals");
        ++n;
        if (own.one_in(10)) dawdle(own);
      }
    });
  }
  for (int i = 0; i < receivers; ++i)
    uninterrupted([&] { return sem_wait(&all[static_cast<std::size_t>(i)].ready); });
  for (int n = 0; n < each; ++n) {
    for (int i = 0; i < receivers; ++i) {
      sigval value{};
      value.sival_int = n;
      int sent = EAGAIN; // the queue's limit
      while (sent == EAGAIN) {
        sent = pthread_sigqueue(all[static_cast<std::size_t>(i)].id, number, value);
        if (sent == EAGAIN) usleep(100);
      }
      expect_equal(sent, 0, "pthread_sigqueue");
    }
    if (c.one_in(10)) dawdle(c);
  }
  threads.clear();
  for (int i = 0; i < receivers; ++i)
    sem_destroy(&all[static_cast<std::size_t>(i)].ready);
}

thread_local int handled = 0;
void count_signal(int) {
  handled = handled + 1;
}

/// Signals sent to threads that work and wait: each runs the handler once, in its thread.
void handlers(chance& c) {
  const int number = take_signal();
  struct sigaction action {};
  action.sa_handler = count_signal;
  action.sa_flags = c.one_in(2) ? SA_RESTART : 0;
  sigaction(number, &action, nullptr);
  const int receivers = c.between(1, 8);
  const int each = c.between(1, 100);
  struct receiver {
    pthread_t id;
    sem_t ready;
    std::atomic<bool> done{false};
  };
  const std::unique_ptr<receiver[]> all(new receiver[static_cast<std::size_t>(receivers)]);
  std::vector<thread> threads;
  for (int i = 0; i < receivers; ++i) {
    receiver& r = all[static_cast<std::size_t>(i)];
    sem_init(&r.ready, 0, 0);
    threads.emplace_back([&r, each, own = c.split()]() mutable {
      handled = 0;
      r.id = pthread_self();
      sem_post(&r.ready);
      int ends[2];
      if (pipe(ends) != 0) fail("pipe", -errno, 0);
      // A stream to oneself, which must not suffer.
      const auto seed = own.next();
      std::size_t at = 0;
      while (!r.done) {
        std::uint64_t word = seed + at, back = 0;
        write_all(ends[1], &word, sizeof word);
        read_all(ends[0], &back, sizeof back);
        expect_equal(static_cast<long>(back), static_cast<long>(word), "a word to oneself");
        ++at;
        dawdle(own);
      }
      // What was sent before `done` was set is delivered at the latest by the end of a call.
      sched_yield();
      expect_equal(handled, each, "signals handled by their thread");
      close(ends[0]);
      close(ends[1]);
    });
  }
  for (int i = 0; i < receivers; ++i)
    uninterrupted([&] { return sem_wait(&all[static_cast<std::size_t>(i)].ready); });
  for (int n = 0; n < each; ++n) {
    for (int i = 0; i < receivers; ++i) {
      int sent = EAGAIN;
      while (sent == EAGAIN) {
        sent = pthread_kill(all[static_cast<std::size_t>(i)].id, number);
        if (sent == EAGAIN) usleep(100);
      }
      expect_equal(sent, 0, "pthread_kill");
    }
    if (c.one_in(10)) dawdle(c);
  }
  for (int i = 0; i < receivers; ++i)
    all[static_cast<std::size_t>(i)].done = true;
  threads.clear();
  for (int i = 0; i < receivers; ++i)
    sem_destroy(&all[static_cast<std::size_t>(i)].ready);
}

const scenes registered{
    {"awaited", awaited},
    {"handlers", handlers},
};

} // namespace
