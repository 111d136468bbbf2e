// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/deadline.hpp"

#include <fcntl.h>
#include <semaphore.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

void semaphore_counts() {
  sem_t semaphore;
  sem_init(&semaphore, 0, 2);
  int value = -1;
  sem_getvalue(&semaphore, &value);
  expect_equal(value, 2, "the initial value");
  expect_equal(sem_wait(&semaphore), 0, "sem_wait");
  expect_equal(sem_trywait(&semaphore), 0, "sem_trywait");
  expect_errno(sem_trywait(&semaphore), EAGAIN, "sem_trywait of zero");
  std::thread waiter([&] { expect_equal(sem_wait(&semaphore), 0, "sem_wait that blocks"); });
  let_others_block();
  sem_post(&semaphore);
  waiter.join();
  sem_getvalue(&semaphore, &value);
  expect_equal(value, 0, "the value at the end");
  sem_destroy(&semaphore);
}

void semaphore_timed() {
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  const stopwatch watch;
  timespec until = deadline(CLOCK_REALTIME, 80ms);
  expect_errno(sem_timedwait(&semaphore, &until), ETIMEDOUT, "sem_timedwait");
  watch.expect_between(79ms, 8s, "sem_timedwait's time-out");
  until = deadline(CLOCK_MONOTONIC, 50ms);
  expect_errno(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &until), ETIMEDOUT, "sem_clockwait");
  std::thread waiter([&] {
    const timespec far = deadline(CLOCK_REALTIME, 20s);
    expect_equal(sem_timedwait(&semaphore, &far), 0, "sem_timedwait in time");
  });
  let_others_block();
  sem_post(&semaphore);
  waiter.join();
  timespec bad{};
  bad.tv_nsec = 2'000'000'000;
  expect_errno(sem_timedwait(&semaphore, &bad), EINVAL, "a time that is none");
  sem_destroy(&semaphore);
}

void semaphore_ping_pong() {
  sem_t ping;
  sem_t pong;
  sem_init(&ping, 0, 0);
  sem_init(&pong, 0, 0);
  int turns = 0;
  std::thread other([&] {
    for (int i = 0; i < 3000; ++i) {
      sem_wait(&ping);
      ++turns;
      sem_post(&pong);
    }
  });
  for (int i = 0; i < 3000; ++i) {
    expect_equal(turns, i, "turns so far");
    sem_post(&ping);
    sem_wait(&pong);
  }
  other.join();
  sem_destroy(&ping);
  sem_destroy(&pong);
}

void semaphore_wakes_everyone() {
  sem_t gate;
  sem_t passed;
  sem_init(&gate, 0, 0);
  sem_init(&passed, 0, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 50; ++t)
    threads.emplace_back([&] {
      sem_wait(&gate);
      sem_post(&passed);
    });
  let_others_block();
  for (int t = 0; t < 50; ++t)
    sem_post(&gate);
  for (int t = 0; t < 50; ++t)
    sem_wait(&passed);
  for (std::thread& thread : threads)
    thread.join();
  int left = -1;
  sem_getvalue(&gate, &left);
  expect_equal(left, 0, "no post lost or left");
  sem_destroy(&gate);
  sem_destroy(&passed);
}

void named_semaphore() {
  const std::string name = "/weft-conformance-" + std::to_string(getpid());
  sem_t* semaphore = sem_open(name.c_str(), O_CREAT | O_EXCL, 0600, 1);
  expect(semaphore != SEM_FAILED, "sem_open");
  if (semaphore == SEM_FAILED) return;
  expect_equal(sem_unlink(name.c_str()), 0, "sem_unlink");
  expect_equal(sem_wait(semaphore), 0, "sem_wait");
  expect_errno(sem_trywait(semaphore), EAGAIN, "sem_trywait");
  expect_equal(sem_post(semaphore), 0, "sem_post");
  expect_equal(sem_trywait(semaphore), 0, "sem_trywait after a post");
  expect_equal(sem_close(semaphore), 0, "sem_close");
}

const checks registered{
    {"semaphore_counts", semaphore_counts},
    {"semaphore_timed", semaphore_timed},
    {"semaphore_ping_pong", semaphore_ping_pong},
    {"semaphore_wakes_everyone", semaphore_wakes_everyone},
    {"named_semaphore", named_semaphore},
};

} // namespace
