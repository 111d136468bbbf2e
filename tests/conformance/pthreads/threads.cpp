// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/deadline.hpp"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <pthread.h>
#include <semaphore.h>
#include <set>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

void* twice(void* argument) {
  return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(argument) * 2);
}

void create_join() {
  std::vector<pthread_t> threads(50);
  for (std::size_t i = 0; i < threads.size(); ++i)
    expect_equal(pthread_create(&threads[i], nullptr, twice, reinterpret_cast<void*>(i)), 0,
                 "pthread_create");
  for (std::size_t i = 0; i < threads.size(); ++i) {
    void* result = nullptr;
    expect_equal(pthread_join(threads[i], &result), 0, "pthread_join");
    expect_equal(reinterpret_cast<std::uintptr_t>(result), 2 * i, "the thread's result");
  }
}

void exit_value() {
  pthread_t thread{};
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        usleep(1000);
        pthread_exit(reinterpret_cast<void*>(77));
      },
      nullptr);
  void* result = nullptr;
  pthread_join(thread, &result);
  expect_equal(reinterpret_cast<std::intptr_t>(result), 77, "pthread_exit's value");
}

void detach() {
  static std::atomic<int> ended{0};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  for (int i = 0; i < 20; ++i) {
    pthread_t thread{};
    const auto body = [](void*) -> void* {
      usleep(2000);
      ended.fetch_add(1);
      return nullptr;
    };
    expect_equal(pthread_create(&thread, i % 2 == 0 ? &attributes : nullptr, body, nullptr), 0,
                 "pthread_create");
    if (i % 2 == 1) expect_equal(pthread_detach(thread), 0, "pthread_detach");
  }
  pthread_attr_destroy(&attributes);
  wait_until([] { return ended.load() == 20; }, "all detached threads have ended");
}

void self_join_is_a_deadlock() {
  expect_equal(pthread_join(pthread_self(), nullptr), EDEADLK, "joining oneself");
  expect(pthread_equal(pthread_self(), pthread_self()) != 0, "pthread_equal");
}

void try_and_timed_join() {
  static sem_t go;
  sem_init(&go, 0, 0);
  pthread_t thread{};
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        sem_wait(&go);
        return nullptr;
      },
      nullptr);
  expect_equal(pthread_tryjoin_np(thread, nullptr), EBUSY, "tryjoin of a running thread");
  const stopwatch watch;
  const timespec until = deadline(CLOCK_REALTIME, 60ms);
  expect_equal(pthread_timedjoin_np(thread, nullptr, &until), ETIMEDOUT, "timedjoin");
  watch.expect_between(50ms, 8s, "timedjoin's time-out");
  sem_post(&go);
  expect_equal(pthread_join(thread, nullptr), 0, "join");
  sem_destroy(&go);
}

void thread_ids() {
  static std::mutex lock;
  static std::set<pid_t> seen;
  constexpr int count = 64;
  static pthread_barrier_t together; // so that all are alive at once
  pthread_barrier_init(&together, nullptr, count);
  std::vector<pthread_t> threads(count);
  for (pthread_t& thread : threads)
    pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
          const pid_t id = gettid();
          usleep(1000);
          {
            const std::lock_guard guard(lock);
            expect(gettid() == id, "gettid stays the same");
            expect(getpid() != id, "only the first thread has the process's id");
            seen.insert(id);
          }
          pthread_barrier_wait(&together);
          return nullptr;
        },
        nullptr);
  for (const pthread_t thread : threads)
    pthread_join(thread, nullptr);
  expect_equal(seen.size(), count, "different thread ids");
  expect_equal(gettid(), getpid(), "the first thread's id");
  pthread_barrier_destroy(&together);
}

void names() {
  std::thread thread([] {
    expect_equal(pthread_setname_np(pthread_self(), "conform-child"), 0, "setname");
    usleep(1000);
    char name[16] = {};
    expect_equal(pthread_getname_np(pthread_self(), name, sizeof name), 0, "getname");
    expect_equal(std::string(name), "conform-child", "the name");
    expect_equal(pthread_setname_np(pthread_self(), "a name that is too long"), ERANGE, "too long");
  });
  thread.join();
}

void stack_attributes() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 512 * 1024);
  pthread_t thread{};
  pthread_create(
      &thread, &attributes,
      [](void*) -> void* {
        pthread_attr_t own;
        expect_equal(pthread_getattr_np(pthread_self(), &own), 0, "pthread_getattr_np");
        void* low = nullptr;
        std::size_t size = 0;
        pthread_attr_getstack(&own, &low, &size);
        pthread_attr_destroy(&own);
        const char here = 0;
        expect(&here > low && &here < static_cast<char*>(low) + size, "a local lies in the stack");
        expect(size >= 500 * 1024 && size <= 1024 * 1024, "the stack has about the size asked for");
        char use[300 * 1024];
        std::memset(use, 1, sizeof use);
        asm volatile("" : : "r"(use) : "memory");
        return nullptr;
      },
      nullptr);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);

  expect_equal(pthread_getattr_np(pthread_self(), &attributes), 0, "the first thread's");
  void* low = nullptr;
  std::size_t size = 0;
  pthread_attr_getstack(&attributes, &low, &size);
  const char here = 0;
  expect(&here > low && &here < static_cast<char*>(low) + size, "a local lies in main's stack");
  pthread_attr_destroy(&attributes);
}

void own_stack() {
  static char stack[256 * 1024] __attribute__((aligned(4096)));
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  expect_equal(pthread_attr_setstack(&attributes, stack, sizeof stack), 0, "setstack");
  pthread_t thread{};
  const auto body = [](void*) -> void* {
    const char here = 0;
    usleep(1000);
    const bool inside = &here > stack && &here < stack + sizeof stack;
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(inside));
  };
  expect_equal(pthread_create(&thread, &attributes, body, nullptr), 0, "create on own stack");
  void* inside = nullptr;
  pthread_join(thread, &inside);
  expect(inside != nullptr, "the thread ran on the stack it was given");
  pthread_attr_destroy(&attributes);
}

void sleeps_overlap() {
  const stopwatch watch;
  std::vector<std::thread> threads;
  for (int i = 0; i < 40; ++i)
    threads.emplace_back([] { usleep(300'000); });
  for (std::thread& thread : threads)
    thread.join();
  watch.expect_between(300ms, 6s,
                       "40 sleeps of 0.3 s"); // 12 s one after the other
}

void thread_kill() {
  static std::atomic<pid_t> handled_by{0};
  struct sigaction action {};
  action.sa_handler = [](int) { handled_by.store(gettid()); };
  sigaction(SIGUSR1, &action, nullptr);
  static std::atomic<pid_t> target{0};
  static sem_t go;
  sem_init(&go, 0, 0);
  std::thread thread([] {
    target.store(gettid());
    while (sem_wait(&go) != 0)
      expect_equal(errno, EINTR, "sem_wait's error");
  });
  wait_until([] { return target.load() != 0; }, "the thread runs");
  let_others_block();
  expect_equal(pthread_kill(thread.native_handle(), SIGUSR1), 0, "pthread_kill");
  wait_until([] { return handled_by.load() != 0; }, "the handler has run");
  expect(handled_by.load() == target.load(), "the handler ran in the thread that was signalled");
  expect_equal(pthread_kill(thread.native_handle(), 0), 0, "signal 0 to a live thread");
  sem_post(&go);
  thread.join();
  sem_destroy(&go);
  signal(SIGUSR1, SIG_DFL);
}

void names_are_inherited() {
  std::thread([] {
    pthread_setname_np(pthread_self(), "parent");
    std::thread([] {
      char name[16] = {};
      expect_equal(pthread_getname_np(pthread_self(), name, sizeof name), 0, "getname");
      expect_equal(std::string(name), "parent", "the maker's name");
    }).join();
  }).join();
}

// Memory protection in the middle of a stack leaves what lies below as it was.
void part_of_a_stack_protected() {
  std::thread([] {
    constexpr std::size_t page = 4096;
    alignas(page) volatile char pages[3 * page];
    volatile char below[20'000];
    for (volatile char& c : below)
      c = 7;
    auto* middle = const_cast<char*>(pages) + page;
    expect_equal(mprotect(middle, page, PROT_READ), 0, "mprotect");
    expect_equal(mprotect(middle, page, PROT_READ | PROT_WRITE), 0, "mprotect");
    *middle = 1;
    int sum = 0;
    for (const volatile char& c : below)
      sum += c;
    expect_equal(sum, 140'000, "what lies below");
  }).join();
}

void names_of_others() {
  static sem_t done;
  sem_init(&done, 0, 0);
  std::thread thread([] {
    while (sem_wait(&done) != 0) {
    }
    char name[16] = {};
    expect_equal(pthread_getname_np(pthread_self(), name, sizeof name), 0, "getname");
    expect_equal(std::string(name), "given", "the name that another gave");
  });
  const pthread_t other = thread.native_handle();
  expect_equal(pthread_setname_np(other, "first-and-long"), 0, "setname");
  expect_equal(pthread_setname_np(other, "given"), 0, "setname");
  char name[16] = {};
  expect_equal(pthread_getname_np(other, name, sizeof name), 0, "getname");
  expect_equal(std::string(name), "given", "the name");
  sem_post(&done);
  thread.join();
}

const checks registered{
    {"create_join", create_join},
    {"exit_value", exit_value},
    {"detach", detach},
    {"self_join_is_a_deadlock", self_join_is_a_deadlock},
    {"try_and_timed_join", try_and_timed_join},
    {"thread_ids", thread_ids},
    {"names", names},
    {"stack_attributes", stack_attributes},
    {"own_stack", own_stack},
    {"sleeps_overlap", sleeps_overlap},
    {"thread_kill", thread_kill},
    {"names_are_inherited", names_are_inherited},
    {"part_of_a_stack_protected", part_of_a_stack_protected},
    {"names_of_others", names_of_others},
};

} // namespace
