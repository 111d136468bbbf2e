// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"

#include <atomic>
#include <clocale>
#include <cstdint>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

thread_local int counter = 5;
__thread char block[64] = "initial";

void thread_locals() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i)
    threads.emplace_back([i] {
      expect_equal(counter, 5, "a fresh thread_local");
      expect_equal(std::string(block), "initial", "a fresh __thread array");
      for (int round = 0; round < 20; ++round) {
        counter = i * 100 + round;
        block[0] = static_cast<char>('a' + i);
        if (round % 4 == 0) usleep(500);
        sched_yield();
        expect_equal(counter, i * 100 + round, "thread_local after a switch");
        expect_equal(block[0], 'a' + i, "__thread after a switch");
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(counter, 5, "main's own thread_local");
}

struct noisy {
  std::atomic<int>* gone = nullptr;
  noisy() = default;
  noisy(const noisy&) = delete;
  noisy& operator=(const noisy&) = delete;
  ~noisy() {
    if (gone != nullptr) gone->fetch_add(1);
  }
};
thread_local noisy leaver;

void thread_local_destructors() {
  static std::atomic<int> gone{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 10; ++i)
    threads.emplace_back([] {
      leaver.gone = &gone;
      usleep(500);
    });
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(gone.load(), 10, "destructors run before join returns");
}

void own_errno() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 10; ++i)
    threads.emplace_back([i] {
      for (int round = 0; round < 10; ++round) {
        errno = 1000 + i;
        sched_yield();
        expect_equal(errno, 1000 + i, "errno after a yield");
        expect(close(-1) == -1 && errno == EBADF, "EBADF");
        usleep(300);
        expect_equal(errno, EBADF, "errno after a successful sleep");
      }
    });
  for (std::thread& thread : threads)
    thread.join();
}

pthread_key_t first_key;
pthread_key_t second_key;
std::string* destroyed = nullptr;

void key_destructors() {
  std::string order;
  destroyed = &order;
  pthread_key_create(&first_key, [](void* value) {
    destroyed->append("first=").append(static_cast<const char*>(value)).append(" ");
    // Setting another key again asks for one more round.
    static int rounds = 0;
    if (++rounds < 3) pthread_setspecific(first_key, "again");
  });
  pthread_key_create(&second_key, [](void* value) {
    destroyed->append("second=").append(static_cast<const char*>(value)).append(" ");
    expect(pthread_getspecific(second_key) == nullptr, "the value is null in its destructor");
  });
  std::thread thread([] {
    expect(pthread_getspecific(first_key) == nullptr, "a fresh key is null");
    pthread_setspecific(second_key, "two");
    pthread_setspecific(first_key, "one");
    usleep(500);
    expect_equal(std::string(static_cast<const char*>(pthread_getspecific(first_key))), "one",
                 "the value after a switch");
  });
  thread.join();
  expect(order == "first=one second=two first=again first=again ",
         "the rounds of destructors: " + order);
  expect(pthread_getspecific(first_key) == nullptr, "main's value is its own");
  pthread_key_delete(first_key);
  pthread_key_delete(second_key);
}

void key_values() {
  static pthread_key_t keys[100];
  for (pthread_key_t& key : keys)
    expect_equal(pthread_key_create(&key, nullptr), 0, "key_create");
  std::vector<std::thread> threads;
  for (std::uintptr_t i = 1; i <= 8; ++i)
    threads.emplace_back([i] {
      for (std::uintptr_t k = 0; k < 100; ++k)
        pthread_setspecific(keys[k], reinterpret_cast<void*>(i * 1000 + k));
      usleep(1000);
      for (std::uintptr_t k = 0; k < 100; ++k)
        expect(pthread_getspecific(keys[k]) == reinterpret_cast<void*>(i * 1000 + k), "own value");
    });
  for (std::thread& thread : threads)
    thread.join();
  for (const pthread_key_t key : keys)
    pthread_key_delete(key);
}

void own_locale() {
  const locale_t locale = newlocale(LC_ALL_MASK, "C.UTF-8", nullptr);
  expect(locale != nullptr, "newlocale");
  const locale_t before = uselocale(nullptr);
  std::thread thread([locale] {
    uselocale(locale);
    usleep(1000);
    expect(uselocale(nullptr) == locale, "a thread's locale stays");
    uselocale(LC_GLOBAL_LOCALE);
  });
  thread.join();
  expect(uselocale(nullptr) == before, "main's locale");
  freelocale(locale);
}

const checks registered{
    {"thread_locals", thread_locals}, {"thread_local_destructors", thread_local_destructors},
    {"own_errno", own_errno},         {"key_destructors", key_destructors},
    {"key_values", key_values},       {"own_locale", own_locale},
};

} // namespace
