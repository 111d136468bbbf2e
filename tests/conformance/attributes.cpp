// SPDX-License-Identifier: BSL-1.0
// What the kernel keeps for each thread: what one changes is its own, and libc's setuid() and its
// kin are the process's. Checks that need root say nothing without it.
#include "tests/call_filter.hpp"
#include "tests/conformance/check.hpp"

#include <atomic>
#include <dirent.h>
#include <fstream>
#include <functional>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

bool is_root() {
  return geteuid() == 0;
}

// In a child, since it cannot be undone. What fails there fails here.
void in_a_child(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(failures() == 0 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child's end");
}

// The users of each of the process's kernel threads, as "Uid: 0 0 0 0" lines.
std::vector<std::string> lines_of_threads(const std::string& beginning) {
  std::vector<std::string> found;
  DIR* tasks = opendir("/proc/self/task");
  while (const dirent* task = readdir(tasks)) {
    if (task->d_name[0] == '.') continue;
    std::ifstream status("/proc/self/task/" + std::string(task->d_name) + "/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with(beginning)) found.push_back(line);
  }
  closedir(tasks);
  return found;
}

// Another thread, there from before until after `body`, that is asked for what it sees.
class bystander {
 public:
  bystander() {
    sem_init(&asked_, 0, 0);
    sem_init(&answered_, 0, 0);
    thread_ = std::thread([this] {
      for (;;) {
        while (sem_wait(&asked_) != 0) {
        }
        if (!question_) return;
        question_();
        sem_post(&answered_);
      }
    });
  }
  ~bystander() {
    question_ = nullptr;
    sem_post(&asked_);
    thread_.join();
  }
  bystander(const bystander&) = delete;
  bystander& operator=(const bystander&) = delete;

  void ask(std::function<void()> question) {
    question_ = std::move(question);
    sem_post(&asked_);
    while (sem_wait(&answered_) != 0) {
    }
  }

 private:
  std::function<void()> question_;
  sem_t asked_{}, answered_{};
  std::thread thread_;
};

uid_t effective_user() {
  return static_cast<uid_t>(syscall(SYS_geteuid));
}

void bare_call_changes_one_thread() {
  if (!is_root()) return;
  bystander other;
  std::thread([] {
    expect_equal(syscall(SYS_setresuid, 65534, 65534, 65534), 0, "setresuid");
    for (int i = 0; i < 5; ++i) {
      expect_equal(effective_user(), 65534u, "the thread's user");
      usleep(500);
    }
  }).join();
  expect_equal(effective_user(), 0u, "the main thread's user");
  other.ask([] { expect_equal(effective_user(), 0u, "another thread's user"); });
}

void bare_call_of_the_main_thread() {
  if (!is_root()) return;
  in_a_child([] {
    bystander other;
    expect_equal(syscall(SYS_setresuid, 65534, 65534, 65534), 0, "setresuid");
    usleep(500);
    expect_equal(effective_user(), 65534u, "the main thread's user");
    expect_equal(getpid(), gettid(), "the main thread's tid");
    other.ask([] {
      expect_equal(effective_user(), 0u, "another thread's user");
      std::thread([] { expect_equal(effective_user(), 0u, "its child's user"); }).join();
    });
    std::thread([] { expect_equal(effective_user(), 65534u, "the child's user"); }).join();
  });
}

void libc_changes_all_threads() {
  if (!is_root()) return;
  in_a_child([] {
    bystander first, second;
    std::thread([] { usleep(1000); }).join();
    const gid_t groups[] = {65534};
    expect_equal(setgroups(1, groups), 0, "setgroups");
    expect_equal(setgid(65534), 0, "setgid");
    expect_equal(setuid(65534), 0, "setuid");
    for (bystander* each : {&first, &second})
      each->ask([] { expect_equal(effective_user(), 65534u, "another thread's user"); });
    for (const std::string& line : lines_of_threads("Uid:"))
      expect_equal(line, std::string("Uid:\t65534\t65534\t65534\t65534"), "a kernel thread");
    for (const std::string& line : lines_of_threads("Groups:"))
      expect_equal(line, std::string("Groups:\t65534 "), "a kernel thread");
    expect_errno(setuid(0), EPERM, "setuid back");
    std::thread([] { expect_equal(effective_user(), 65534u, "a new thread's user"); }).join();
  });
}

void libc_changes_all_threads_from_another() {
  if (!is_root()) return;
  in_a_child([] {
    std::thread([] { expect_equal(setresuid(65534, 65534, 0), 0, "setresuid"); }).join();
    expect_equal(effective_user(), 65534u, "the main thread's user");
    expect_equal(setresuid(0, 0, 0), 0, "setresuid back");
    std::thread([] { expect_equal(effective_user(), 0u, "a thread's user"); }).join();
  });
}

void file_system_user() {
  if (!is_root()) return;
  std::thread([] {
    setfsuid(65534);
    usleep(500);
    expect_equal(setfsuid(static_cast<uid_t>(-1)), 65534, "the thread's fsuid");
  }).join();
  expect_equal(setfsuid(static_cast<uid_t>(-1)), 0, "the main thread's fsuid");
}

void working_directory_of_ones_own() {
  char before[4096], after[4096];
  expect(getcwd(before, sizeof before) != nullptr, "getcwd");
  std::thread([&] {
    if (unshare(CLONE_FS) != 0) return; // forbidden here
    expect_equal(chdir("/"), 0, "chdir");
    usleep(500);
    char mine[4096];
    expect(getcwd(mine, sizeof mine) != nullptr && std::string(mine) == "/", "the thread's own");
  }).join();
  expect(getcwd(after, sizeof after) != nullptr && std::string(before) == after,
         "the main thread's");
}

void affinity() {
  cpu_set_t before, now;
  expect_equal(sched_getaffinity(0, sizeof before, &before), 0, "sched_getaffinity");
  std::thread([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &before)) {
        CPU_SET(cpu, &one);
        break;
      }
    expect_equal(pthread_setaffinity_np(pthread_self(), sizeof one, &one), 0, "setaffinity");
    usleep(500);
    cpu_set_t mine;
    expect_equal(pthread_getaffinity_np(pthread_self(), sizeof mine, &mine), 0, "getaffinity");
    expect(CPU_EQUAL(&one, &mine), "the thread's affinity");
  }).join();
  expect_equal(sched_getaffinity(0, sizeof now, &now), 0, "sched_getaffinity");
  expect(CPU_EQUAL(&before, &now), "the main thread's affinity");
}

void nice_value() {
  const int before = getpriority(PRIO_PROCESS, 0);
  std::thread([&] {
    expect_equal(setpriority(PRIO_PROCESS, 0, before + 3), 0, "setpriority");
    usleep(500);
    expect_equal(getpriority(PRIO_PROCESS, 0), before + 3, "the thread's");
  }).join();
  expect_equal(getpriority(PRIO_PROCESS, 0), before, "the main thread's");
}

void scheduling_class() {
  std::thread([] {
    const sched_param none{};
    expect_equal(sched_setscheduler(0, SCHED_BATCH, &none), 0, "sched_setscheduler");
    usleep(500);
    expect_equal(sched_getscheduler(0), SCHED_BATCH, "the thread's");
  }).join();
  expect_equal(sched_getscheduler(0), SCHED_OTHER, "the main thread's");
}

void affinity_and_class_of_others() {
  cpu_set_t before, one, now;
  sched_getaffinity(0, sizeof before, &before);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &before)) {
      CPU_SET(cpu, &one);
      break;
    }
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop)
      usleep(500);
    expect_equal(sched_getaffinity(0, sizeof now, &now), 0, "sched_getaffinity");
    expect(CPU_EQUAL(&one, &now), "the affinity that was given to the thread");
    expect_equal(sched_getscheduler(0), SCHED_BATCH, "the class that was given to it");
  });
  usleep(1000);
  expect_equal(pthread_setaffinity_np(other.native_handle(), sizeof one, &one), 0, "affinity");
  const sched_param none{};
  expect_equal(pthread_setschedparam(other.native_handle(), SCHED_BATCH, &none), 0, "class");
  sched_getaffinity(0, sizeof now, &now);
  expect(CPU_EQUAL(&before, &now), "the main thread's affinity");
  expect_equal(sched_getscheduler(0), SCHED_OTHER, "the main thread's class");
  stop = true;
  other.join();
}

// Made with an affinity of its own.
void affinity_from_the_beginning() {
  static cpu_set_t before, one;
  sched_getaffinity(0, sizeof before, &before);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  while (CPU_COUNT(&one) > 1)
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &one)) {
        CPU_CLR(cpu, &one);
        break;
      }
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setaffinity_np(&attributes, sizeof one, &one);
  pthread_t thread;
  expect_equal(pthread_create(
                   &thread, &attributes,
                   [](void*) -> void* {
                     cpu_set_t mine;
                     sched_getaffinity(0, sizeof mine, &mine);
                     expect(CPU_EQUAL(&one, &mine), "the thread's affinity");
                     return nullptr;
                   },
                   nullptr),
               0, "pthread_create");
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  cpu_set_t now;
  sched_getaffinity(0, sizeof now, &now);
  expect(CPU_EQUAL(&before, &now), "the main thread's affinity");
}

// A filter that lets one thread not know its parent.
void seccomp_filter() {
  const pid_t parent = getppid();
  std::thread([] {
    const int set = call_filter({SYS_getppid}, SECCOMP_RET_ERRNO | 77).install();
    expect_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1, "PR_SET_NO_NEW_PRIVS");
    if (set != 0) return;
    usleep(500);
    expect_errno(syscall(SYS_getppid), 77, "getppid");
  }).join();
  expect_equal(getppid(), parent, "the parent");
  expect_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0, "the main thread's");
}

// Many at once, that wait for each other meanwhile.
void many_with_kernel_threads_of_their_own() {
  const int before = getpriority(PRIO_PROCESS, 0);
  constexpr int count = 10;
  pthread_barrier_t all;
  pthread_barrier_init(&all, nullptr, count);
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      setpriority(PRIO_PROCESS, 0, before + i % 5);
      for (int round = 0; round < 20; ++round) {
        pthread_barrier_wait(&all);
        right += getpriority(PRIO_PROCESS, 0) == before + i % 5;
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  pthread_barrier_destroy(&all);
  expect_equal(right.load(), 20 * count, "nice values that were right");
  expect_equal(getpriority(PRIO_PROCESS, 0), before, "the main thread's");
}

// A process with one thread may do what one with several may not.
void alone_again() {
  in_a_child([] {
    for (int i = 0; i < 3; ++i)
      std::thread([] { usleep(8000); }).join();
    const int result = unshare(CLONE_NEWUSER);
    expect(result == 0 || errno != EINVAL, "weft leaves no thread behind");
  });
}

// Whoever has a kernel thread of its own sees to nobody else, and yet somebody has to look at the
// clock when all of them sleep.
void all_sleep_in_kernel_threads_of_their_own() {
  const auto keep_to_itself = [] {
    cpu_set_t mine;
    sched_getaffinity(0, sizeof mine, &mine);
    expect_equal(sched_setaffinity(0, sizeof mine, &mine), 0, "sched_setaffinity");
  };
  in_a_child([&] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
      threads.emplace_back([&] {
        keep_to_itself();
        for (int n = 0; n < 3; ++n)
          usleep(200'000);
      });
    keep_to_itself();
    for (int n = 0; n < 3; ++n)
      usleep(200'000);
    for (std::thread& thread : threads)
      thread.join();
  });
}

const checks registered{
    {"bare_call_changes_one_thread", bare_call_changes_one_thread},
    {"bare_call_of_the_main_thread", bare_call_of_the_main_thread},
    {"libc_changes_all_threads", libc_changes_all_threads},
    {"libc_changes_all_threads_from_another", libc_changes_all_threads_from_another},
    {"file_system_user", file_system_user},
    {"working_directory_of_ones_own", working_directory_of_ones_own},
    {"affinity", affinity},
    {"nice_value", nice_value},
    {"scheduling_class", scheduling_class},
    {"affinity_and_class_of_others", affinity_and_class_of_others},
    {"affinity_from_the_beginning", affinity_from_the_beginning},
    {"seccomp_filter", seccomp_filter},
    {"many_with_kernel_threads_of_their_own", many_with_kernel_threads_of_their_own},
    {"all_sleep_in_kernel_threads_of_their_own", all_sleep_in_kernel_threads_of_their_own},
    {"alone_again", alone_again},
};

} // namespace
