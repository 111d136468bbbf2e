// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/soak/scene.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

namespace {

using namespace soak;

constexpr long millisecond = 1'000'000;

long time_of(clockid_t clock) {
  timespec t{};
  expect_equal(clock_gettime(clock, &t), 0, "clock_gettime");
  return t.tv_sec * 1000 * millisecond + t.tv_nsec;
}
timespec as_timespec(long nanoseconds) {
  return {nanoseconds / (1000 * millisecond), nanoseconds % (1000 * millisecond)};
}

thread_local int expired = 0;
thread_local void* awaited = nullptr; // what this thread's timer says
std::atomic<long> strays{0};
void count_expirations(int, siginfo_t* info, void*) {
  if (info->si_value.sival_ptr != awaited || info->si_code != SI_TIMER)
    ++strays;
  else
    expired = expired + 1 + info->si_overrun;
}

/// A timer for the calling thread, on a clock that only runs.
class own_timer {
 public:
  own_timer(clockid_t clock, int number) : clock_(clock) {
    expired = 0;
    awaited = this;
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = number;
    event.sigev_value.sival_ptr = this;
    event._sigev_un._tid = gettid();
    expect_equal(timer_create(clock, &event, &id_), 0, "timer_create");
  }
  own_timer(const own_timer&) = delete;
  ~own_timer() {
    expect_equal(timer_delete(id_), 0, "timer_delete");
    awaited = nullptr;
  }

  void set(long interval) {
    began_ = time_of(clock_);
    interval_ = interval;
    const timespec each = as_timespec(interval);
    const itimerspec next{each, each};
    expect_equal(timer_settime(id_, 0, &next, nullptr), 0, "timer_settime");
  }
  /// Not more often than it can have been.
  void check() const {
    const int seen = expired;
    const long passed = time_of(clock_) - began_;
    if (seen > passed / interval_) fail("expirations", seen, passed / interval_);
  }

 private:
  clockid_t clock_;
  timer_t id_{};
  long began_ = 0, interval_ = 0;
};

/// Each thread has a timer, of time itself or of its processor time, and sees what is its own.
void timers(chance& c) {
  const int number = take_signal();
  strays = 0;
  struct sigaction action {};
  action.sa_sigaction = count_expirations;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(number, &action, nullptr);
  const int threads = c.between(1, 6);
  {
    std::vector<thread> all;
    for (int i = 0; i < threads; ++i)
      all.emplace_back([=, own = c.split()]() mutable {
        const clockid_t clock = own.one_in(2) ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
        own_timer timer(clock, number);
        timer.set(own.between(1, 5) * millisecond);
        for (const int wanted = own.between(1, 4); expired < wanted;) {
          dawdle(own);
          if (own.one_in(20)) timer.check();
          volatile long sum = 0;
          for (int n = 0; n < 20'000; ++n)
            sum = sum + n;
        }
        timer.check();
      });
  }
  expect_equal(strays, 0, "signals of timers that are others' or gone");
}

/// Sleeps on the processor time of a thread that works and naps.
void sleepers(chance& c) {
  std::atomic<bool> done{false};
  thread worker([&, own = c.split()]() mutable {
    while (!done) {
      dawdle(own);
      volatile long sum = 0;
      for (int n = 0; n < 20'000; ++n)
        sum = sum + n;
    }
  });
  clockid_t clock{};
  expect_equal(pthread_getcpuclockid(worker.id(), &clock), 0, "pthread_getcpuclockid");
  {
    std::vector<thread> all;
    for (int i = c.between(1, 5); i > 0; --i)
      all.emplace_back([=, own = c.split()]() mutable {
        for (int n = own.between(1, 3); n > 0; --n) {
          const long until = time_of(clock) + own.between(1, 15) * millisecond;
          const timespec point = as_timespec(until);
          int result = EINTR;
          while (result == EINTR)
            result = clock_nanosleep(clock, TIMER_ABSTIME, &point, nullptr);
          expect_equal(result, 0, "clock_nanosleep");
          expect_at_least(time_of(clock), until, "the time slept until");
        }
      });
  }
  done = true;
}

const scenes registered{{"timers", timers}, {"sleepers", sleepers}};

} // namespace
