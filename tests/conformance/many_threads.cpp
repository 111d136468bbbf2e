// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <atomic>
#include <pthread.h>
#include <semaphore.h>
#include <vector>

namespace {

using namespace conformance;

constexpr int each = 800; // of three kinds, all alive at once

struct shared_state {
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
  bool open = false;
  int pipes[2] = {-1, -1};
  std::atomic<int> begun{0};
  std::atomic<int> by_condition{0};
  std::atomic<int> by_pipe{0};
  std::atomic<int> by_sleep{0};
};

void* wait_for_condition(void* argument) {
  auto& state = *static_cast<shared_state*>(argument);
  state.begun.fetch_add(1);
  pthread_mutex_lock(&state.lock);
  while (!state.open)
    pthread_cond_wait(&state.changed, &state.lock);
  pthread_mutex_unlock(&state.lock);
  state.by_condition.fetch_add(1);
  return argument;
}

void* wait_for_pipe(void* argument) {
  auto& state = *static_cast<shared_state*>(argument);
  state.begun.fetch_add(1);
  char byte = 0;
  if (read(state.pipes[0], &byte, 1) == 1) state.by_pipe.fetch_add(1);
  return argument;
}

void* wait_for_time(void* argument) {
  auto& state = *static_cast<shared_state*>(argument);
  state.begun.fetch_add(1);
  usleep(700'000);
  state.by_sleep.fetch_add(1);
  return argument;
}

void thousands_parked_at_once() {
  static shared_state state;
  const pipe_pair pipe;
  state.pipes[0] = pipe.reader;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 * 1024);
  std::vector<pthread_t> threads(3 * each);
  for (std::size_t i = 0; i < threads.size(); ++i) {
    void* (*const bodies[])(void*) = {wait_for_condition, wait_for_pipe, wait_for_time};
    expect_equal(pthread_create(&threads[i], &attributes, bodies[i % 3], &state), 0, "create");
  }
  pthread_attr_destroy(&attributes);
  wait_until([] { return state.begun.load() == 3 * each; }, "all threads have begun");
  let_others_block();
  expect_equal(state.by_condition.load(), 0, "none is through before the condition holds");
  expect_equal(state.by_pipe.load(), 0, "none is through before there is a byte");
  const std::string bytes(each, 'x');
  expect_equal(write(pipe.writer, bytes.data(), bytes.size()), each, "a byte for each reader");
  pthread_mutex_lock(&state.lock);
  state.open = true;
  pthread_cond_broadcast(&state.changed);
  pthread_mutex_unlock(&state.lock);
  int joined = 0;
  for (const pthread_t thread : threads) {
    void* result = nullptr;
    joined += pthread_join(thread, &result) == 0 && result == &state ? 1 : 0;
  }
  expect_equal(joined, 3 * each, "joined");
  expect_equal(state.by_condition.load(), each, "woken by the condition");
  expect_equal(state.by_pipe.load(), each, "woken by the pipe");
  expect_equal(state.by_sleep.load(), each, "woken by time");
}

void thousands_in_a_row() {
  std::atomic<int> ran{0};
  for (int i = 0; i < 3000; ++i)
    std::thread([&ran] { ran.fetch_add(1); }).join();
  expect_equal(ran.load(), 3000, "threads that ran");
}

void token_ring() {
  constexpr int members = 400;
  static sem_t turns[members];
  for (sem_t& turn : turns)
    sem_init(&turn, 0, 0);
  long passed = 0;
  std::vector<std::thread> threads;
  for (int m = 0; m < members; ++m)
    threads.emplace_back([m, &passed] {
      for (int round = 0; round < 10; ++round) {
        sem_wait(&turns[m]);
        ++passed;
        sem_post(&turns[(m + 1) % members]);
      }
    });
  sem_post(&turns[0]);
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(passed, 10L * members, "the token's steps");
  for (sem_t& turn : turns)
    sem_destroy(&turn);
}

void threads_that_make_threads() {
  struct tree {
    static int count(int depth) {
      if (depth == 0) return 1;
      int left = 0;
      int right = 0;
      std::thread first([&] { left = count(depth - 1); });
      std::thread second([&] { right = count(depth - 1); });
      first.join();
      second.join();
      return left + right + 1;
    }
  };
  expect_equal(tree::count(9), 1023, "nodes of the tree");
}

const checks registered{
    {"thousands_parked_at_once", thousands_parked_at_once},
    {"thousands_in_a_row", thousands_in_a_row},
    {"token_ring", token_ring},
    {"threads_that_make_threads", threads_that_make_threads},
};

} // namespace
