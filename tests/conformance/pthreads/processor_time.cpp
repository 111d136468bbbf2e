// SPDX-License-Identifier: BSL-1.0
//
// The processor time of each thread.
#include "tests/conformance/check.hpp"

#include <atomic>
#include <ctime>
#include <pthread.h>
#include <sys/resource.h>
#include <vector>

namespace {

using namespace conformance;

std::chrono::nanoseconds time_of(clockid_t clock) {
  timespec t{};
  expect_equal(clock_gettime(clock, &t), 0, "clock_gettime");
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}
std::chrono::nanoseconds own_time() {
  return time_of(CLOCK_THREAD_CPUTIME_ID);
}

void use(std::chrono::nanoseconds amount) {
  const auto begin = own_time();
  while (own_time() - begin < amount)
    ;
}

void each_thread_has_its_own() {
  std::vector<std::thread> threads;
  for (int t = 1; t <= 3; ++t)
    threads.emplace_back([t] {
      const auto began = own_time();
      use(t * 20ms);
      const auto used = own_time();
      expect(used - began < t * 20ms + 15ms, "not what the others used");
      std::this_thread::sleep_for(60ms);
      expect(own_time() - used < 15ms, "not what the others use meanwhile");
      rusage usage;
      expect_equal(getrusage(RUSAGE_THREAD, &usage), 0, "getrusage");
      const auto told = std::chrono::seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                        std::chrono::microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
      expect(told >= t * 20ms - 10ms && told < t * 20ms + 30ms, "the same by getrusage");
    });
  for (std::thread& thread : threads)
    thread.join();
}

void sleeping_costs_nothing() {
  const auto before = own_time();
  std::thread other([] { use(50ms); });
  other.join();
  expect(own_time() - before < 20ms, "what the joined thread used is not the joiner's");
}

void clock_of_another_thread() {
  std::atomic<bool> used{false}, end{false};
  std::thread other([&] {
    use(30ms);
    used.store(true);
    wait_until([&] { return end.load(); }, "the end");
  });
  clockid_t clock;
  expect_equal(pthread_getcpuclockid(other.native_handle(), &clock), 0, "pthread_getcpuclockid");
  wait_until([&] { return used.load(); }, "30 ms of the other's");
  const auto its = time_of(clock);
  expect(its >= 30ms && its < 60ms, "what the other thread used");
  timespec resolution;
  expect_equal(clock_getres(clock, &resolution), 0, "clock_getres");
  expect(resolution.tv_sec == 0 && resolution.tv_nsec <= 1'000'000, "its resolution");
  end.store(true);
  other.join();
  timespec t;
  expect_errno(clock_gettime(clock, &t), EINVAL, "the clock of a thread that is gone");
}

void own_clock_by_its_number() {
  std::thread([] {
    clockid_t clock;
    expect_equal(pthread_getcpuclockid(pthread_self(), &clock), 0, "pthread_getcpuclockid");
    const auto first = own_time();
    const auto second = time_of(clock);
    expect(second >= first && second - first < 10ms, "one clock under two numbers");
  }).join();
}

void of_all_threads() {
  const auto before = time_of(CLOCK_PROCESS_CPUTIME_ID);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([] { use(20ms); });
  for (std::thread& thread : threads)
    thread.join();
  expect(time_of(CLOCK_PROCESS_CPUTIME_ID) - before >= 60ms, "the process's time");
}

const checks all{
    {"processor_time_each_thread_has_its_own", each_thread_has_its_own},
    {"processor_time_sleeping_costs_nothing", sleeping_costs_nothing},
    {"processor_time_clock_of_another_thread", clock_of_another_thread},
    {"processor_time_own_clock_by_its_number", own_clock_by_its_number},
    {"processor_time_of_all_threads", of_all_threads},
};

} // namespace
