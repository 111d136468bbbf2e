// SPDX-License-Identifier: BSL-1.0
//
// Robust mutexes in shared memory: what becomes of them when a process ends that holds one.
#include "tests/conformance/futexes/other_process.hpp"

#include <atomic>
#include <csignal>
#include <pthread.h>

namespace {

using namespace conformance;

struct locks {
  static constexpr int count = 3;
  pthread_mutex_t mutex[count];
  std::atomic<int> held{0};

  locks() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    for (pthread_mutex_t& m : mutex)
      pthread_mutex_init(&m, &attributes);
  }
};

// Each of the process's threads, and the first one too, takes a mutex; then `end` is called by the
// last of them.
template <class End>
int hold_all(locks& l, End end) {
  pthread_mutex_lock(&l.mutex[0]);
  std::thread second([&] {
    pthread_mutex_lock(&l.mutex[1]);
    l.held.fetch_add(1);
    pause();
  });
  std::thread third([&] {
    pthread_mutex_lock(&l.mutex[2]);
    l.held.fetch_add(1);
    while (l.held.load() != 2 + 10) // until somebody waits
      usleep(1000);
    end();
  });
  third.join();
  pause();
  return 0;
}

const role exiting{"exiting",
                   [](void* at) { return hold_all(*static_cast<locks*>(at), [] { exit(3); }); }};
const role returning{"ending at once",
                     [](void* at) { return hold_all(*static_cast<locks*>(at), [] { _exit(4); }); }};
const role becoming{"becoming another", [](void* at) {
                      return hold_all(*static_cast<locks*>(at), [] {
                        execl("/no/such/program", "none", nullptr); // ends nothing
                        execl("/bin/sh", "sh", "-c", "exit 5", nullptr);
                      });
                    }};
const role aborting{"aborting", [](void* at) {
                      return hold_all(*static_cast<locks*>(at), [] {
                        std::signal(SIGABRT, SIG_DFL);
                        abort();
                      });
                    }};
const role failing{"failing", [](void* at) {
                     return hold_all(*static_cast<locks*>(at), [] {
                       volatile int* nowhere = nullptr;
                       *nowhere = 1;
                     });
                   }};

// Takes what its owner left, whether it waited for it or came later.
void inherit(pthread_mutex_t& mutex) {
  expect_equal(pthread_mutex_lock(&mutex), EOWNERDEAD, "pthread_mutex_lock");
  expect_equal(pthread_mutex_consistent(&mutex), 0, "pthread_mutex_consistent");
  expect_equal(pthread_mutex_unlock(&mutex), 0, "pthread_mutex_unlock");
  expect_equal(pthread_mutex_lock(&mutex), 0, "as good as new");
  pthread_mutex_unlock(&mutex);
}

void left_behind(const char* name, const char* end, bool by_its_caller = true) {
  for (const runs how : {runs::natively, runs::as_this}) {
    const shared_object<locks> l;
    const pid_t child = play(name, l, how);
    wait_until([&] { return l->held.load() == 2; }, "all are held");
    std::thread first([&] { inherit(l->mutex[0]); });
    std::thread second([&] { inherit(l->mutex[1]); });
    let_others_block();
    l->held.fetch_add(10);
    expect_equal(status_of(child), end, name);
    if (by_its_caller) inherit(l->mutex[2]);
    first.join();
    second.join();
  }
}

void by_exit() {
  left_behind("exiting", "exited 3");
}
void by_exit_group() {
  left_behind("ending at once", "exited 4");
}
void by_exec() {
  // What the thread that calls execve holds stays locked: its tid is another by then.
  left_behind("becoming another", "exited 5", false);
}
void by_abort() {
  left_behind("aborting", "killed by 6");
}
void by_a_fault() {
  left_behind("failing", "killed by 11");
}

void by_a_threads_end() {
  const shared_object<locks> l;
  const pid_t child = in_child([&] {
    std::thread([&] { pthread_mutex_lock(&l->mutex[1]); }).join();
    l->held.store(1);
    pause();
    return 0;
  });
  wait_until([&] { return l->held.load() == 1; }, "the thread's end");
  std::thread([&] { inherit(l->mutex[1]); }).join();
  kill(child, SIGTERM);
  status_of(child);
}

const checks registered{
    {"robust_by_exit", by_exit},       {"robust_by_exit_group", by_exit_group},
    {"robust_by_exec", by_exec},       {"robust_by_abort", by_abort},
    {"robust_by_a_fault", by_a_fault}, {"robust_by_a_threads_end", by_a_threads_end},
};

} // namespace
