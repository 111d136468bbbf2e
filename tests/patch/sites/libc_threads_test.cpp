// SPDX-License-Identifier: BSL-1.0
// Threads, waits with deadlines, cancellation, exceptions.
#include <grp.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <ctime>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/patch/sites/libc_fixture.hpp"

namespace weft::patch::testing {
namespace {

using namespace std::chrono_literals;

class libc_threads : public libc {};

TEST_P(libc_threads, threads) {
  std::mutex mutex;
  std::condition_variable changed;
  int turn = 0, done = 0;
  constexpr int threads = 4, rounds = 200;
  std::vector<std::thread> all;
  for (int id = 0; id < threads; ++id)
    all.emplace_back([&, id, m = GetParam()] {
      const thread_state state(m);
      for (int i = 0; i < rounds; ++i) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return turn % threads == id; });
        ++turn;
        changed.notify_all();
      }
      const std::lock_guard lock(mutex);
      ++done;
    });
  for (auto& thread : all)
    thread.join();
  EXPECT_EQ(turn, threads * rounds);
  EXPECT_EQ(done, threads);
}

TEST_P(libc_threads, timed_waits) {
  const auto start = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(5ms);
  usleep(5000);
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_nsec += 5'000'000;
  if (deadline.tv_nsec >= 1'000'000'000) deadline.tv_nsec -= 1'000'000'000, ++deadline.tv_sec;
  EXPECT_EQ(sem_timedwait(&semaphore, &deadline), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable never;
  EXPECT_EQ(never.wait_for(lock, 5ms), std::cv_status::timeout);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 19ms);
}

TEST_P(libc_threads, cancellation) {
  static bool cleaned;
  cleaned = false;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  struct arguments {
    int fd;
    mode m;
  } args{ends[0], GetParam()};
  pthread_t thread;
  auto body = [](void* p) -> void* {
    const auto& args = *static_cast<arguments*>(p);
    struct witness {
      ~witness() { cleaned = true; }
    } const w;
    const thread_state state(args.m);
    char byte;
    return reinterpret_cast<void*>(read(args.fd, &byte, 1));
  };
  ASSERT_EQ(pthread_create(&thread, nullptr, body, &args), 0);
  usleep(20000);
  EXPECT_EQ(pthread_cancel(thread), 0);
  void* result = nullptr;
  EXPECT_EQ(pthread_join(thread, &result), 0);
  EXPECT_EQ(result, PTHREAD_CANCELED);
  EXPECT_TRUE(cleaned);
  close(ends[0]);
  close(ends[1]);
}

TEST_P(libc_threads, credentials_of_all_threads) {
  std::atomic<bool> stop = false;
  std::thread other([&] {
    while (!stop)
      usleep(1000);
  });
  EXPECT_EQ(setgid(getgid()), 0);
  EXPECT_EQ(setuid(getuid()), 0);
  stop = true;
  other.join();
}

TEST_P(libc_threads, timers_with_threads) {
  static std::atomic<int> fired;
  fired = 0;
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = [](sigval) { ++fired; };
  timer_t timer;
  ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  const itimerspec soon{{0, 0}, {0, 2'000'000}};
  EXPECT_EQ(timer_settime(timer, 0, &soon, nullptr), 0);
  for (int i = 0; i < 1000 && !fired; ++i)
    usleep(1000);
  EXPECT_EQ(fired, 1);
  timer_delete(timer);
}

TEST_P(libc_threads, exceptions) {
  EXPECT_GT(getpid(), 0);
  for (int i = 0; i < 100; ++i)
    EXPECT_THROW(throw std::runtime_error("x"), std::runtime_error);
}

INSTANTIATE_TEST_SUITE_P(all, libc_threads, both_modes(), name_of_mode);

} // namespace
} // namespace weft::patch::testing
