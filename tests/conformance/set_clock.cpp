// SPDX-License-Identifier: BSL-1.0
//
// The clock of the day is set while threads wait for a point on it. This machine's is left alone:
// the program's own clock_gettime, which weft's library finds before libc's, adds to it, and the
// kernel's timer that is cancelled when the clock is set is made to run out instead, which weft
// cannot tell apart. So this runs under weft only; natively nothing would come of it.
#include "tests/conformance/check.hpp"
#include "tests/conformance/deadline.hpp"
#include "tests/conformance/processes/child.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <iterator>
#include <pthread.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <vector>

namespace {

volatile time_t ahead = 0; // of the true time, in seconds
using clock_function = int (*)(clockid_t, timespec*);
clock_function libcs = nullptr;

} // namespace

// Called by weft's library too, whose constructor comes first: from then on libc's is known. What
// weft calls may not use a vector register.
extern "C" [[gnu::target("general-regs-only")]] int clock_gettime(clockid_t id,
                                                                  timespec* time) noexcept {
  if (libcs == nullptr) libcs = reinterpret_cast<clock_function>(dlsym(RTLD_NEXT, "clock_gettime"));
  const int result = libcs(id, time);
  if (id == CLOCK_REALTIME) time->tv_sec += ahead;
  return result;
}

namespace {

using namespace conformance;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// weft's, which is asked to be cancelled when the clock is set.
int find_timer() {
  int found = -1;
  DIR* all = opendir("/proc/self/fdinfo");
  while (const dirent* each = readdir(all)) {
    if (each->d_name[0] == '.') continue;
    const std::string text = text_of("/proc/self/fdinfo/" + std::string(each->d_name));
    if (text.find("clockid: 0\n") != std::string::npos) found = std::atoi(each->d_name);
  }
  closedir(all);
  return found;
}

void set_clock(std::chrono::seconds by) {
  const int timer = find_timer();
  expect(timer >= 0, "a timer on the clock of the day");
  ahead = ahead + by.count();
  const itimerspec at_once{{}, {0, 1}};
  expect_equal(timerfd_settime(timer, 0, &at_once, nullptr), 0, "timerfd_settime");
}

using way = std::function<bool(const timespec& until)>; // whether it ended as it should

bool condition(const timespec& until) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
  pthread_mutex_lock(&mutex);
  return pthread_cond_timedwait(&changed, &mutex, &until) == ETIMEDOUT;
}

bool semaphore(const timespec& until) {
  sem_t none;
  sem_init(&none, 0, 0);
  return sem_timedwait(&none, &until) == -1 && errno == ETIMEDOUT;
}

// Of a mutex that another thread holds.
bool mutex_of(int protocol, const timespec& until) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setprotocol(&attributes, protocol);
  pthread_mutex_t mutex;
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutex_lock(&mutex);
  bool right = false;
  std::thread([&] { right = pthread_mutex_timedlock(&mutex, &until) == ETIMEDOUT; }).join();
  pthread_mutex_unlock(&mutex);
  return right;
}

bool read_lock(const timespec& until) {
  pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
  pthread_rwlock_wrlock(&lock);
  bool right = false;
  std::thread([&] { right = pthread_rwlock_timedrdlock(&lock, &until) == ETIMEDOUT; }).join();
  pthread_rwlock_unlock(&lock);
  return right;
}

bool sleeping(const timespec& until) {
  return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, nullptr) == 0;
}

const std::vector<way> ways{
    condition,
    semaphore,
    [](const timespec& until) { return mutex_of(PTHREAD_PRIO_NONE, until); },
    [](const timespec& until) { return mutex_of(PTHREAD_PRIO_INHERIT, until); },
    read_lock,
    sleeping,
};

// A thread for each way; `over` counts those whose wait has ended.
struct waiting {
  std::atomic<unsigned> over{0};
  std::vector<std::thread> threads;

  explicit waiting(std::chrono::nanoseconds away) {
    const timespec until = deadline(CLOCK_REALTIME, away);
    for (const way& each : ways)
      threads.emplace_back([this, &each, until] {
        expect(each(until), "a time-out");
        ++over;
      });
    let_others_block();
  }
  ~waiting() {
    for (std::thread& each : threads)
      each.join();
  }
  void expect_end() {
    wait_until([&] { return over.load() == ways.size(); }, "all waits end");
  }
};

void forward() {
  waiting all(1h);
  expect_equal(all.over.load(), 0u, "before");
  set_clock(30min);
  let_others_block();
  expect_equal(all.over.load(), 0u, "half-way");
  set_clock(30min);
  all.expect_end();
}

void back() {
  waiting all(1s);
  set_clock(-1h);
  std::this_thread::sleep_for(1200ms);
  expect_equal(all.over.load(), 0u, "when it would have been time");
  set_clock(1h);
  all.expect_end();
}

void while_threads_compute() {
  std::atomic<bool> end{false};
  std::vector<std::thread> computing;
  waiting all(1h);
  for (int i = 0; i < 3; ++i)
    computing.emplace_back([&] {
      while (!end.load())
        ;
    });
  set_clock(1h);
  all.expect_end();
  end = true;
  for (std::thread& each : computing)
    each.join();
}

void in_a_child() {
  waiting outside(1h);
  const pid_t child = in_child([] {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    waiting inside(1h);
    set_clock(1h);
    inside.expect_end();
    return failures();
  });
  expect_equal(status_of(child), "exited 0", "the child");
  expect_equal(outside.over.load(), 0u, "the parent's");
  set_clock(1h);
  outside.expect_end();
}

void with_all_descriptors_closed() {
  std::thread([] { waiting all(10ms); }).join();
  const pid_t child = in_child([] {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    waiting all(1h);
    syscall(SYS_close_range, 3u, ~0u, 0u);
    for (int fd = 3; fd < 70'000; ++fd)
      close(fd);
    set_clock(1h);
    all.expect_end();
    return failures();
  });
  expect_equal(status_of(child), "exited 0", "the child");
}

// Those are the kernel's to keep, whomever their signals are for.
void timers() {
  std::thread([] {
    const itimerspec in_an_hour{{}, deadline(CLOCK_REALTIME, 1h)};
    timer_t made[2];
    for (int i = 0; i < 2; ++i) {
      sigevent event{};
      event.sigev_notify = i == 0 ? SIGEV_SIGNAL : SIGEV_THREAD_ID;
      event.sigev_signo = SIGUSR1;
      event._sigev_un._tid = gettid();
      expect_equal(timer_create(CLOCK_REALTIME, &event, &made[i]), 0, "timer_create");
      expect_equal(timer_settime(made[i], TIMER_ABSTIME, &in_an_hour, nullptr), 0, "timer_settime");
    }
    const std::string known = text_of("/proc/self/timers");
    std::size_t count = 0, at = 0;
    while ((at = known.find("ClockID: 0\n", at)) != std::string::npos)
      ++at, ++count;
    if (access("/proc/self/timers", R_OK) == 0)
      expect_equal(count, 2u, "timers that the kernel has");
    for (const timer_t each : made)
      timer_delete(each);
  }).join();
}

const checks registered{
    {"forward", forward},
    {"back", back},
    {"while_threads_compute", while_threads_compute},
    {"in_a_child", in_a_child},
    {"with_all_descriptors_closed", with_all_descriptors_closed},
    {"timers", timers},
};

} // namespace
