// SPDX-License-Identifier: BSL-1.0
//
// The known limits of patch/README.md, each a check that is right natively and not under weft. One
// that is right there too is no limit any more.
#include "tests/conformance/futexes/other_process.hpp"

#include <atomic>
#include <csignal>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace {

using namespace conformance;

struct locks {
  pthread_mutex_t robust, priority;
  std::atomic<int> held{0};

  locks() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_STALLED);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&priority, &attributes);
  }
};

timespec in_a_second() {
  timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  ++until.tv_sec;
  return until;
}

// Held by another thread than the main one, whose tid the kernel does not know.
void robust_mutex_of_a_killed_process() {
  const shared_object<locks> l;
  const pid_t child = in_child([&] {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::thread([&] {
      pthread_mutex_lock(&l->robust);
      l->held.store(1);
      pause();
    }).join();
    return 0;
  });
  wait_until([&] { return l->held.load() == 1; }, "the mutex is held");
  kill(child, SIGKILL);
  expect_equal(status_of(child), "killed by 9", "the child");
  const timespec until = in_a_second();
  expect_equal(pthread_mutex_timedlock(&l->robust, &until), EOWNERDEAD, "what it held");
}

// As above, while its owner lives in another process. (In a child, since glibc may give up.)
void priority_mutex_of_another_process() {
  const shared_object<locks> l;
  const pid_t owner = in_child([&] {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::thread([&] {
      pthread_mutex_lock(&l->priority);
      l->held.store(1);
      usleep(300'000);
      pthread_mutex_unlock(&l->priority);
    }).join();
    return 0;
  });
  const pid_t other = in_child([&] {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int result = 1;
    std::thread([&] {
      wait_until([&] { return l->held.load() == 1; }, "the mutex is held");
      const timespec until = in_a_second();
      result = pthread_mutex_timedlock(&l->priority, &until);
    }).join();
    return result;
  });
  expect_equal(status_of(owner), "exited 0", "the owner");
  expect_equal(status_of(other), "exited 0", "who waited for it");
}

// The memory goes back when the threads are gone, but not the addresses, nor what is charged for
// them where nothing may be promised that is not there.
void addresses_of_stacks_that_are_gone() {
  const rlimit space{1 << 30, 1 << 30};
  setrlimit(RLIMIT_AS, &space);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 8 << 20);
  static sem_t end;
  sem_init(&end, 0, 0);
  pthread_t threads[100];
  const auto wait = [](void* argument) {
    sem_wait(&end);
    return argument;
  };
  for (pthread_t& thread : threads)
    expect_equal(pthread_create(&thread, &attributes, wait, nullptr), 0, "pthread_create");
  for (int i = 0; i < 100; ++i)
    sem_post(&end);
  for (const pthread_t thread : threads)
    pthread_join(thread, nullptr);
  void* half = mmap(nullptr, 512 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  expect(half != MAP_FAILED, "half of the address space");
}

const checks registered{
    {"addresses_of_stacks_that_are_gone", addresses_of_stacks_that_are_gone},
    {"robust_mutex_of_a_killed_process", robust_mutex_of_a_killed_process},
    {"priority_mutex_of_another_process", priority_mutex_of_another_process},
};

} // namespace
