// SPDX-License-Identifier: BSL-1.0
//
// The known limits of patch/README.md, each a check that is right natively and not under weft. One
// that is right there too is no limit any more.
#include "tests/call_filter.hpp"
#include "tests/conformance/futexes/other_process.hpp"

#include <atomic>
#include <csignal>
#include <cstddef>
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
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

// The caller is to run on one processor.
void choose_processor() {
  cpu_set_t may, only;
  sched_getaffinity(0, sizeof may, &may);
  int found = 0;
  while (!CPU_ISSET(found, &may))
    ++found;
  CPU_ZERO(&only);
  CPU_SET(found, &only);
  expect_equal(sched_setaffinity(0, sizeof only, &only), 0, "sched_setaffinity");
}

void set_priority(int priority) {
  const sched_param p{priority};
  expect_equal(pthread_setschedparam(pthread_self(), SCHED_FIFO, &p), 0, "SCHED_FIFO");
}

// On one processor the more urgent of two that were woken runs first, whoever was woken first.
void the_most_urgent_thread_runs_first() {
  choose_processor();
  set_priority(30);
  std::string order;
  sem_t begin[2];
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    sem_init(&begin[i], 0, 0);
    threads.emplace_back([&, i] {
      set_priority(10 + 10 * i);
      sem_wait(&begin[i]);
      order += i == 0 ? "low " : "high ";
    });
  }
  let_others_block();
  sem_post(&begin[0]);
  sem_post(&begin[1]);
  for (std::thread& each : threads)
    each.join();
  expect_equal(order, "high low ", "the order");
}

// A filter may forbid what the program does not do. (It says so: tests/patch/process.)
void what_weft_itself_calls_may_be_forbidden() {
  call_filter filter({SYS_epoll_pwait, SYS_epoll_pwait2}, SECCOMP_RET_KILL_PROCESS);
  expect_equal(filter.install(), 0, "the filter");
  std::thread([] { usleep(10'000); }).join();
}

// Of a thread other than the main one.
void files_of_threads(const char* name, bool listed) {
  std::thread([&] {
    const std::string own = std::to_string(gettid());
    bool found = false;
    DIR* all = opendir("/proc/self/task");
    while (const dirent* each = readdir(all))
      found = found || own == each->d_name;
    closedir(all);
    if (listed) expect(found, "listed");
    const int file = open(("/proc/self/task/" + own + "/" + name).c_str(), O_RDONLY);
    expect(file >= 0, name);
    close(file);
  }).join();
}

void threads_are_listed_in_proc() {
  files_of_threads("comm", true);
}
void threads_have_files_in_proc() {
  files_of_threads("stat", false);
}

// It is counted from the first question on.
void processor_time_before_anybody_asked() {
  sem_t end;
  sem_init(&end, 0, 0);
  std::atomic<bool> done{false};
  std::thread other([&] {
    timespec begun, now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
    do
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1'000'000 < 100);
    done.store(true);
    sem_wait(&end);
  });
  wait_until([&] { return done.load(); }, "it has computed");
  clockid_t its;
  expect_equal(pthread_getcpuclockid(other.native_handle(), &its), 0, "pthread_getcpuclockid");
  timespec used{};
  expect_equal(clock_gettime(its, &used), 0, "clock_gettime");
  sem_post(&end);
  other.join();
  expect(used.tv_sec > 0 || used.tv_nsec > 50'000'000, "the time that it used");
}

// What the machine or the system does not allow natively is no limit of weft's.
const struct allowed {
  allowed() {
    const pid_t child = fork();
    if (child == 0) {
      const sched_param p{30};
      _exit(sched_setscheduler(0, SCHED_FIFO, &p) == 0 ? 0 : 1);
    }
    if (status_of(child) == "exited 0")
      checks{{"the_most_urgent_thread_runs_first", the_most_urgent_thread_runs_first}};
  }
} where_allowed;

const checks registered{
    {"processor_time_before_anybody_asked", processor_time_before_anybody_asked},
    {"what_weft_itself_calls_may_be_forbidden", what_weft_itself_calls_may_be_forbidden},
    {"threads_are_listed_in_proc", threads_are_listed_in_proc},
    {"threads_have_files_in_proc", threads_have_files_in_proc},
    {"addresses_of_stacks_that_are_gone", addresses_of_stacks_that_are_gone},
    {"robust_mutex_of_a_killed_process", robust_mutex_of_a_killed_process},
    {"priority_mutex_of_another_process", priority_mutex_of_another_process},
};

} // namespace
