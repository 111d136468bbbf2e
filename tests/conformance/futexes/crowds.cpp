// SPDX-License-Identifier: BSL-1.0
//
// Many threads that wait for words in shared memory at once.
#include "tests/call_filter.hpp"
#include "tests/conformance/futexes/crowd.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <linux/io_uring.h>
#include <pthread.h>
#include <semaphore.h>
#include <set>

namespace {

using namespace conformance;

struct table {
  sem_t semaphore, ready;
  std::atomic<unsigned> word{0}, other{0};
  std::atomic<unsigned> words[8]{};
  std::atomic<long> woken{0};
  std::atomic<bool> done{false};

  table() {
    sem_init(&semaphore, 1, 0);
    sem_init(&ready, 1, 0);
  }
};

class threads {
 public:
  template <class Body>
  threads(int count, Body body) {
    for (int i = 0; i < count; ++i)
      threads_.emplace_back([body, i] { body(i); });
  }
  ~threads() { join(); }
  void join() {
    for (std::thread& thread : threads_)
      if (thread.joinable()) thread.join();
  }
  std::thread& operator[](int i) { return threads_[static_cast<std::size_t>(i)]; }

 private:
  std::vector<std::thread> threads_;
};

int kernel_threads() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    (void)entry;
    ++count;
  }
  return count;
}

// Whether green threads can wait without a kernel thread each: they are green, and io_uring may be
// used and knows futexes (Linux 6.7).
bool waits_are_cheap() {
  const char* preloaded = std::getenv("LD_PRELOAD");
  if (preloaded == nullptr || std::strstr(preloaded, "weft-patch") == nullptr) return false;
  io_uring_params parameters{};
  const long ring = syscall(SYS_io_uring_setup, 1, &parameters);
  if (ring < 0) return false;
  constexpr unsigned op_futex_waitv = 53;
  alignas(io_uring_probe) char
      room[sizeof(io_uring_probe) + (op_futex_waitv + 1) * sizeof(io_uring_probe_op)]{};
  syscall(SYS_io_uring_register, ring, IORING_REGISTER_PROBE, room, op_futex_waitv + 1);
  close(static_cast<int>(ring));
  return reinterpret_cast<io_uring_probe*>(room)->last_op >= op_futex_waitv;
}

const role posting{"posting", [](void* shared) {
                     auto& t = *static_cast<table*>(shared);
                     for (int i = 0; i < 500; ++i)
                       sem_post(&t.semaphore);
                     return 0;
                   }};

// Each green thread costs a wait, not a kernel thread.
void five_hundred() {
  const bool cheap = waits_are_cheap();
  const shared_object<table> t;
  std::atomic<int> through{0};
  threads all(500, [&](int) {
    sem_post(&t->ready);
    while (sem_wait(&t->semaphore) != 0) {
    }
    through.fetch_add(1);
  });
  for (int i = 0; i < 500; ++i)
    sem_wait(&t->ready);
  let_others_block();
  const int used = kernel_threads();
  expect(used <= (cheap ? 24 : 600), "kernel threads: " + std::to_string(used));
  expect_equal(through.load(), 0, "went on");
  const pid_t child = play("posting", t, runs::natively);
  all.join();
  expect_equal(status_of(child), "exited 0", "the poster");
  expect_equal(through.load(), 500, "went on");
}

// They are not forgotten while others always have something to do.
void among_busy_threads() {
  const crowd others;
  const shared_object<table> t;
  std::atomic<bool> through{false}, over{false};
  threads busy(2, [&](int) {
    while (!over.load())
      sched_yield();
  });
  threads waiter(1, [&](int) {
    while (t->word.load() == 0)
      shared_futex(t->word, FUTEX_WAIT, 0, nullptr, nullptr, 0);
    through.store(true);
  });
  let_others_block();
  t->word.store(1);
  shared_futex(t->word, FUTEX_WAKE, 1);
  wait_until([&] { return through.load(); }, "the wake-up");
  over.store(true);
}

// A wake reaches as many as it says, whoever makes it, and nobody twice.
void counted() {
  const shared_object<table> t;
  std::atomic<int> woken{0};
  threads all(100, [&](int) {
    while (shared_futex(t->word, FUTEX_WAIT, 0, nullptr, nullptr, 0) != 0) {
    }
    woken.fetch_add(1);
  });
  await_waiters(t->word, 100);
  expect_equal(shared_futex(t->word, FUTEX_WAKE, 10), 10, "ten");
  const pid_t child = in_child([&] { return shared_futex(t->word, FUTEX_WAKE, 30) == 30 ? 0 : 1; });
  expect_equal(status_of(child), "exited 0", "thirty by another process");
  wait_until([&] { return woken.load() == 40; }, "forty woken");
  const long moved = shared_futex(t->word, FUTEX_CMP_REQUEUE, 5, 20L, &t->other, 0);
  expect_equal(moved, 25, "five woken, twenty moved");
  expect_equal(shared_futex(t->word, FUTEX_WAKE, INT_MAX), 35, "left");
  expect_equal(shared_futex(t->other, FUTEX_WAKE, INT_MAX), 20, "moved");
  all.join();
  expect_equal(woken.load(), 100, "woken");
}

void by_bits() {
  const crowd others;
  const shared_object<table> t;
  std::atomic<int> first{0}, second{0};
  threads all(20, [&](int i) {
    while (shared_futex(t->word, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, i % 2 ? 1 : 6) != 0) {
    }
    (i % 2 ? first : second).fetch_add(1);
  });
  await_waiters(t->word, 20);
  const auto wake = [&](unsigned bits) {
    return shared_futex(t->word, FUTEX_WAKE_BITSET, INT_MAX, nullptr, nullptr, bits);
  };
  expect_equal(wake(8), 0, "nobody's bit");
  expect_equal(wake(4), 10, "the second's");
  expect_equal(wake(~0u), 10, "the first's");
  all.join();
  expect_equal(first.load(), 10, "the first");
  expect_equal(second.load(), 10, "the second");
}

// What wakes say they woke is what waits say were woken, whatever else ends these.
template <class Disturb>
void nothing_is_lost(Disturb disturb, int threads_in_all, int rounds) {
  const crowd others;
  const shared_object<table> t;
  std::atomic<int> waiting{threads_in_all};
  threads all(threads_in_all, [&](int i) {
    for (int round = 0; round < rounds; ++round) {
      const timespec span{0, 200'000L + 50'000L * ((i + round) % 8)};
      const long result = shared_futex(t->word, FUTEX_WAIT, 0, &span, nullptr, 0);
      if (result == 0)
        t->woken.fetch_add(1);
      else
        expect(errno == ETIMEDOUT || errno == EINTR, "time is up, or a signal came");
    }
    waiting.fetch_sub(1);
  });
  const pid_t child = in_child([&] {
    long said = 0;
    while (!t->done.load()) {
      said += shared_futex(t->word, FUTEX_WAKE, 2);
      usleep(100);
    }
    t->woken.fetch_sub(said);
    return 0;
  });
  while (waiting.load() > 0)
    disturb(all);
  all.join();
  t->done.store(true);
  expect_equal(status_of(child), "exited 0", "the waker");
  expect_equal(t->woken.load(), 0, "woken and not told, or told and not woken");
}
void no_wake_is_lost() {
  nothing_is_lost([](threads&) { usleep(1000); }, 30, 60);
}
void no_wake_is_lost_to_signals() {
  const handling handler(SIGUSR1, [](int) {});
  nothing_is_lost(
      [](threads& all) {
        for (int i = 0; i < 10; ++i)
          pthread_kill(all[i].native_handle(), SIGUSR1);
        usleep(300);
      },
      20, 60);
}

void time_outs() {
  const crowd others;
  const shared_object<table> t;
  const stopwatch watch;
  threads all(50, [&](int i) {
    timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 50'000'000;
    if (until.tv_nsec >= 1'000'000'000) {
      until.tv_nsec -= 1'000'000'000;
      ++until.tv_sec;
    }
    if (i % 2) {
      expect_errno(shared_futex(t->word, FUTEX_WAIT_BITSET, 0, &until, nullptr, ~0u), ETIMEDOUT,
                   "an absolute time-out");
    } else {
      expect_equal(sem_clockwait(&t->semaphore, CLOCK_MONOTONIC, &until), -1, "sem_clockwait");
    }
  });
  all.join();
  watch.expect_between(50ms, 10s, "all");
  timespec past{1, 0};
  expect_errno(
      shared_futex(t->word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &past, nullptr, ~0u),
      ETIMEDOUT, "long ago");
}

void signals() {
  const handling handler(SIGUSR1, [](int) {});
  const handling restarting(
      SIGUSR2, [](int) {}, SA_RESTART);
  const crowd others;
  const shared_object<table> t;
  std::atomic<int> interrupted{0}, through{0};
  threads all(20, [&](int) {
    expect_errno(sem_wait(&t->semaphore), EINTR, "sem_wait and a handler");
    const blocked no_more{SIGUSR1};
    interrupted.fetch_add(1);
    while (sem_wait(&t->semaphore) != 0)
      fail("interrupted");
    through.fetch_add(1);
  });
  wait_until(
      [&] {
        for (int i = 0; i < 20; ++i)
          if (interrupted.load() < 20) pthread_kill(all[i].native_handle(), SIGUSR1);
        return interrupted.load() == 20;
      },
      "interrupted");
  let_others_block();
  for (int i = 0; i < 20; ++i)
    pthread_kill(all[i].native_handle(), SIGUSR2);
  let_others_block();
  expect_equal(through.load(), 0, "went on");
  for (int i = 0; i < 20; ++i)
    sem_post(&t->semaphore);
  all.join();
  expect_equal(through.load(), 20, "went on in the end");
}

void cancelled() {
  const crowd others;
  const shared_object<table> t;
  std::vector<pthread_t> all(50);
  static std::atomic<int> cleaned;
  cleaned = 0;
  for (pthread_t& thread : all)
    pthread_create(
        &thread, nullptr,
        [](void* semaphore) -> void* {
          struct cleanup {
            ~cleanup() { cleaned.fetch_add(1); }
          } at_end;
          while (sem_wait(static_cast<sem_t*>(semaphore)) != 0) {
          }
          return nullptr;
        },
        &t->semaphore);
  let_others_block();
  const auto ends = [&](std::size_t first, void* with) {
    for (std::size_t i = first; i < all.size(); i += 2) {
      void* result = nullptr;
      pthread_join(all[i], &result);
      expect(result == with, "its end");
    }
  };
  for (std::size_t i = 0; i < all.size(); i += 2)
    pthread_cancel(all[i]);
  ends(0, PTHREAD_CANCELED);
  expect_equal(cleaned.load(), 25, "cleaned up");
  for (int i = 0; i < 25; ++i)
    sem_post(&t->semaphore);
  ends(1, nullptr);
  expect_equal(cleaned.load(), 50, "cleaned up");
}

// A child has the memory, and nobody who waits.
void forked() {
  const crowd others;
  const shared_object<table> t;
  threads all(20, [&](int) {
    while (sem_wait(&t->semaphore) != 0) {
    }
  });
  let_others_block();
  const pid_t child = in_child([&] {
    const shared_object<table> own;
    threads here(20, [&](int) {
      while (sem_wait(&own->semaphore) != 0) {
      }
    });
    let_others_block();
    for (int i = 0; i < 20; ++i) {
      sem_post(&own->semaphore);
      sem_post(&t->semaphore);
    }
    here.join();
    return 0;
  });
  all.join();
  expect_equal(status_of(child), "exited 0", "the child");
  expect_equal(sem_trywait(&t->semaphore), -1, "nothing is left");
}

void ends_of_processes() {
  const shared_object<table> t;
  const auto wait_in_twenty = [&] {
    for (int i = 0; i < 20; ++i)
      std::thread([&] { sem_wait(&t->semaphore); }).detach();
    let_others_block();
  };
  expect_equal(status_of(in_child([&] {
                 wait_in_twenty();
                 return 3;
               })),
               "exited 3", "_exit");
  expect_equal(status_of(in_child([&] {
                 wait_in_twenty();
                 execl("/bin/sh", "sh", "-c", "exit 4", nullptr);
                 return 1;
               })),
               "exited 4", "execl");
  expect_equal(status_of(in_child([&] {
                 wait_in_twenty();
                 kill(getpid(), SIGTERM);
                 pause();
                 return 1;
               })),
               "killed by 15", "SIGTERM");
  // Their waits ended with them.
  expect_equal(shared_futex(t->word, FUTEX_WAKE, INT_MAX), 0, "left behind");
}

// Words of several kinds at once.
void several_words() {
  const crowd others;
  const shared_object<table> t;
  std::atomic<unsigned> own{0};
  std::atomic<int> right{0}, tried{0};
  std::atomic<bool> go_on{false};
  threads all(7, [&](int i) {
    futex_waitv words[3]{};
    std::atomic<unsigned>* at[3] = {&t->words[i], &own, &t->word};
    for (int k = 0; k < 3; ++k) {
      words[k].uaddr = reinterpret_cast<std::uint64_t>(at[k]);
      words[k].flags = FUTEX_32 | (k == 1 ? FUTEX_PRIVATE_FLAG : 0);
    }
    timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    timespec soon = until;
    until.tv_sec += 60;
    expect_errno(syscall(SYS_futex_waitv, words, 3, 0, &soon, CLOCK_MONOTONIC), ETIMEDOUT, "now");
    words[0].val = 9;
    expect_errno(syscall(SYS_futex_waitv, words, 3, 0, &until, CLOCK_MONOTONIC), EAGAIN, "differs");
    words[0].val = 0;
    tried.fetch_add(1);
    if (syscall(SYS_futex_waitv, words, 3, 0, &until, CLOCK_MONOTONIC) == 0) right.fetch_add(1);
    if (syscall(SYS_futex_waitv, words, 3, 0, &until, CLOCK_MONOTONIC) == 2) right.fetch_add(1);
    while (!go_on.load())
      usleep(1000);
    if (syscall(SYS_futex_waitv, words, 3, 0, &until, CLOCK_MONOTONIC) == 1) right.fetch_add(1);
  });
  wait_until([&] { return tried.load() == 7; }, "tried"); // else a wake-up may hit an earlier wait
  for (int i = 0; i < 7; ++i)
    wait_until([&] { return shared_futex(t->words[i], FUTEX_WAKE, 1) == 1; }, "its own");
  // One that is woken waits for its other words until it runs.
  wait_until([&] { return right.load() == 7; }, "their own");
  await_waiters(t->word, 7);
  expect_equal(shared_futex(t->word, FUTEX_WAKE, INT_MAX), 7, "the common one");
  wait_until([&] { return right.load() == 14; }, "the common one");
  go_on.store(true);
  wait_until(
      [&] {
        syscall(SYS_futex, &own, FUTEX_WAKE_PRIVATE, INT_MAX);
        return right.load() == 21;
      },
      "the private one");
  all.join();
  expect_equal(right.load(), 21, "the right one was told");
}

// The kernel's own wake-ups: the owner of a robust mutex is killed.
void owner_dies() {
  struct mutexes {
    pthread_mutex_t mutex;
    std::atomic<int> held{0};
    mutexes() {
      pthread_mutexattr_t attributes;
      pthread_mutexattr_init(&attributes);
      pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
      pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
      pthread_mutex_init(&mutex, &attributes);
    }
  };
  const crowd others;
  const shared_object<mutexes> m;
  const pid_t child = in_child([&] {
    pthread_mutex_lock(&m->mutex);
    m->held.store(1);
    pause();
    return 0;
  });
  wait_until([&] { return m->held.load() == 1; }, "it is held");
  std::atomic<int> died{0}, good{0};
  threads all(10, [&](int) {
    const int result = pthread_mutex_lock(&m->mutex);
    if (result == EOWNERDEAD) {
      died.fetch_add(1);
      pthread_mutex_consistent(&m->mutex);
    } else if (result == 0) {
      good.fetch_add(1);
    }
    pthread_mutex_unlock(&m->mutex);
  });
  let_others_block();
  kill(child, SIGKILL);
  expect_equal(status_of(child), "killed by 9", "the owner");
  all.join();
  expect_equal(died.load(), 1, "told of the death");
  expect_equal(good.load(), 9, "after that");
}

// No kernel thread keeps what the process has given up, also not one that many wait in.
void credentials() {
  const pid_t child = in_child([] {
    if (geteuid() != 0) return 0; // nothing to give up
    const crowd others;
    if (setresgid(12345, 12345, 12345) != 0 || setresuid(12345, 12345, 12345) != 0) return 1;
    std::set<std::string> seen;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream status(entry.path() / "status");
      for (std::string line; std::getline(status, line);)
        if (line.starts_with("Uid:") || line.starts_with("Gid:")) seen.insert(line.substr(4));
    }
    return seen.size() == 1 ? 0 : 2;
  });
  expect_equal(status_of(child), "exited 0", "the child");
}

// io_uring is forbidden while threads wait by it, for one thread or for all: they go on waiting.
void forbid_later(unsigned answer, unsigned flags) {
  const shared_object<table> t;
  const auto wait = [&](int) {
    while (sem_wait(&t->semaphore) != 0) {
    }
  };
  const pid_t child = in_child([&] {
    const crowd others;
    threads before(10, wait);
    let_others_block();
    call_filter filter({SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register}, answer);
    if (filter.install(flags) != 0) return 1;
    threads after(10, wait);
    let_others_block();
    for (int i = 0; i < 20; ++i)
      sem_post(&t->semaphore);
    return 0;
  });
  expect_equal(status_of(child), "exited 0", "the child");
}
void forbidden_later() {
  forbid_later(SECCOMP_RET_ERRNO | EPERM, SECCOMP_FILTER_FLAG_TSYNC);
  forbid_later(SECCOMP_RET_KILL_PROCESS, SECCOMP_FILTER_FLAG_TSYNC);
  forbid_later(SECCOMP_RET_KILL_PROCESS, 0);
}

const checks registered{
    {"crowd_of_five_hundred", five_hundred},
    {"crowd_among_busy_threads", among_busy_threads},
    {"crowd_counted", counted},
    {"crowd_by_bits", by_bits},
    {"crowd_loses_no_wake", no_wake_is_lost},
    {"crowd_loses_no_wake_to_signals", no_wake_is_lost_to_signals},
    {"crowd_time_outs", time_outs},
    {"crowd_signals", signals},
    {"crowd_cancelled", cancelled},
    {"crowd_forked", forked},
    {"crowd_ends_of_processes", ends_of_processes},
    {"crowd_several_words", several_words},
    {"crowd_owner_dies", owner_dies},
    {"crowd_credentials", credentials},
    {"crowd_forbidden_later", forbidden_later},
};

} // namespace
