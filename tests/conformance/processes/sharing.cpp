// SPDX-License-Identifier: BSL-1.0
//
// A process that runs beside its parent in the same memory, with the same thread-local storage:
// clone(2) with CLONE_VM and neither CLONE_VFORK nor CLONE_THREAD.
#include "tests/conformance/check.hpp"
#include "tests/conformance/processes/child.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <csignal>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <vector>

namespace {

using namespace conformance;

constexpr std::size_t stack_size = 256 * 1024;

class process_beside {
 public:
  explicit process_beside(int (*body)(void*), void* argument = nullptr)
      : stack_(static_cast<char*>(
            mmap(nullptr, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
        pid_(clone(body, stack_ + stack_size, CLONE_VM | CLONE_FILES | SIGCHLD, argument)) {
    expect(pid_ > 0, "clone");
  }
  process_beside(const process_beside&) = delete;
  process_beside& operator=(const process_beside&) = delete;
  ~process_beside() { munmap(stack_, stack_size); }
  pid_t pid() const { return pid_; }

 private:
  char* stack_;
  pid_t pid_;
};

template <class Body>
void alone_and_beside_others(Body body) {
  body();
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done.load())
      usleep(500);
  });
  std::thread(body).join();
  done.store(true);
  other.join();
  body();
}

std::atomic<int> steps{0};
thread_local int stored = 0;

// Both make calls that wait.
void both_go_on() {
  alone_and_beside_others([] {
    steps.store(0);
    stored = 5;
    const process_beside process([](void*) {
      for (int i = 0; i < 20; ++i) {
        usleep(500);
        steps.fetch_add(1);
      }
      return getppid() > 0 && getpid() != getppid() ? 30 + stored : 1;
    });
    for (int i = 0; i < 20; ++i)
      usleep(400);
    expect_equal(status_of(process.pid()), "exited 35", "the process");
    expect_equal(steps.load(), 20, "its steps");
  });
}

// It has a pid and signals of its own.
void signals_of_its_own() {
  static std::atomic<int> handled_in{0};
  const handling handler(SIGUSR1, [](int) { handled_in.store(getpid()); });
  alone_and_beside_others([] {
    steps.store(0);
    handled_in.store(0);
    const process_beside process([](void*) {
      steps.store(1);
      while (handled_in.load() == 0)
        usleep(500);
      return 3;
    });
    wait_until([] { return steps.load() == 1; }, "its beginning");
    kill(process.pid(), SIGUSR1);
    expect_equal(status_of(process.pid()), "exited 3", "the process");
    expect_equal(handled_in.load(), process.pid(), "who handled the signal");
  });
}

// Words in memory are common, also those of private futexes.
void futexes_between_them() {
  alone_and_beside_others([] {
    static std::atomic<unsigned> word, answer;
    word.store(0);
    answer.store(0);
    const auto futex = [](std::atomic<unsigned>& w, int operation, unsigned value) {
      return syscall(SYS_futex, &w, operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
    };
    const process_beside process([](void*) {
      for (unsigned i = 1; i <= 50; ++i) {
        while (word.load() != i)
          syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, i - 1, nullptr, nullptr, 0);
        answer.store(i);
        syscall(SYS_futex, &answer, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
      }
      return 0;
    });
    for (unsigned i = 1; i <= 50; ++i) {
      word.store(i);
      futex(word, FUTEX_WAKE, 1);
      while (answer.load() != i)
        futex(answer, FUTEX_WAIT, i - 1);
    }
    expect_equal(status_of(process.pid()), "exited 0", "the process");
  });
}

// It may fork, or become another program.
void goes_its_own_way() {
  alone_and_beside_others([] {
    const process_beside forking([](void*) {
      const pid_t child = fork();
      if (child == 0) _exit(getpid() == getppid() ? 1 : 8);
      int status = 0;
      while (waitpid(child, &status, 0) != child) {
      }
      return WEXITSTATUS(status) + 1;
    });
    expect_equal(status_of(forking.pid()), "exited 9", "the one that forks");
    const process_beside becoming([](void*) {
      execl("/bin/sh", "sh", "-c", "exit 12", nullptr);
      return 1;
    });
    usleep(1000);
    expect_equal(status_of(becoming.pid()), "exited 12", "the one that becomes another");
  });
}

const checks registered{
    {"sharing_both_go_on", both_go_on},
    {"sharing_signals_of_its_own", signals_of_its_own},
    {"sharing_futexes_between_them", futexes_between_them},
    {"sharing_goes_its_own_way", goes_its_own_way},
};

} // namespace
