// SPDX-License-Identifier: BSL-1.0
//
// calls CASE [SECONDS]: what one operation of a threaded program costs, in nanoseconds, whatever
// runs its threads. Plain pthreads and libc.
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>

namespace {

void check(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

/// Seconds that `operations` of them took.
using case_body = double (*)(long operations);

/// Of the process, with what the kernel does for it: on one processor, on which somebody always
/// has something to do, the time that passes, but for what others take.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

template <class F>
double timed(F&& body) {
  const double begin = cpu_seconds();
  body();
  return cpu_seconds() - begin;
}

/// Another thread, parked: without it the program is as good as unpatched.
class company {
 public:
  company() {
    sem_init(&over_, 0, 0);
    check(pthread_create(&thread_, nullptr, wait, &over_) == 0, "pthread_create");
    sched_yield();
  }
  ~company() {
    sem_post(&over_);
    pthread_join(thread_, nullptr);
  }

 private:
  static void* wait(void* over) {
    sem_wait(static_cast<sem_t*>(over));
    return nullptr;
  }
  pthread_t thread_;
  sem_t over_;
};

double run_getppid(long n) {
  const company other;
  return timed([n] {
    for (long i = 0; i < n; ++i)
      syscall(SYS_getppid);
  });
}

double run_gettid(long n) {
  const company other;
  return timed([n] {
    for (long i = 0; i < n; ++i)
      syscall(SYS_gettid);
  });
}

double run_read_zero(long n) {
  const company other;
  const int zero = open("/dev/zero", O_RDONLY);
  return timed([n, zero] {
    char byte;
    for (long i = 0; i < n; ++i)
      check(read(zero, &byte, 1) == 1, "read");
  });
}

template <class Turn>
struct player {
  Turn* turn;
  int side;
  long turns;
};

/// Not inlined where it is called: threads that do the same run the same code, and whoever comes
/// back from a switch returns to where the other would.
template <class Turn>
[[gnu::noinline]] void* play(void* argument) {
  auto& p = *static_cast<player<Turn>*>(argument);
  for (long i = 0; i < p.turns; ++i)
    (*p.turn)(p.side);
  return nullptr;
}

/// Two threads play `turn(0)` and `turn(1)`; n turns in all.
template <class Turn>
double duet(long n, Turn& turn) {
  player<Turn> second{&turn, 1, n / 2}, first{&turn, 0, n / 2};
  return timed([&] {
    pthread_t thread;
    check(pthread_create(&thread, nullptr, play<Turn>, &second) == 0, "pthread_create");
    play<Turn>(&first);
    pthread_join(thread, nullptr);
  });
}

double run_yield(long n) {
  struct {
    void operator()(int) { sched_yield(); }
  } turn;
  return duet(n, turn);
}

double run_semaphore(long n) {
  struct turns {
    turns() {
      sem_init(&may[0], 0, 1);
      sem_init(&may[1], 0, 0);
    }
    void operator()(int side) {
      sem_wait(&may[side]);
      sem_post(&may[1 - side]);
    }
    sem_t may[2];
  } turn;
  return duet(n, turn);
}

double run_condition(long n) {
  struct turns {
    void operator()(int side) {
      pthread_mutex_lock(&lock);
      while (whose != side)
        pthread_cond_wait(&changed, &lock);
      whose = 1 - side;
      pthread_cond_signal(&changed);
      pthread_mutex_unlock(&lock);
    }
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
    int whose = 0;
  } turn;
  return duet(n, turn);
}

double run_mutex(long n) {
  struct turns {
    void operator()(int) {
      pthread_mutex_lock(&lock);
      sched_yield(); // so that the other one comes and waits
      pthread_mutex_unlock(&lock);
    }
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  } turn;
  return duet(n, turn);
}

double run_mutex_free(long n) {
  const company other;
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  return timed([&] {
    for (long i = 0; i < n; ++i) {
      pthread_mutex_lock(&lock);
      pthread_mutex_unlock(&lock);
    }
  });
}

double run_socketpair(long n) {
  int ends[2];
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
  struct turns {
    void operator()(int side) {
      char byte = 'x';
      if (side == 0) check(write(ends[0], &byte, 1) == 1, "write");
      check(read(ends[side], &byte, 1) == 1, "read");
      if (side == 1) check(write(ends[1], &byte, 1) == 1, "write");
    }
    int* ends;
  } turn{ends};
  return duet(2 * n, turn);
}

double run_create_join(long n) {
  return timed([n] {
    for (long i = 0; i < n; ++i) {
      pthread_t thread;
      const auto body = [](void* p) -> void* { return p; };
      check(pthread_create(&thread, nullptr, body, nullptr) == 0, "pthread_create");
      pthread_join(thread, nullptr);
    }
  });
}

/// A hundred at a time, as of a program with company.
double run_create_join_many(long n) {
  constexpr long at_once = 100;
  return timed([n] {
    pthread_t threads[at_once];
    const auto body = [](void* p) -> void* { return p; };
    for (long i = 0; i < n; i += at_once) {
      for (auto& each : threads)
        check(pthread_create(&each, nullptr, body, nullptr) == 0, "pthread_create");
      for (auto& each : threads)
        pthread_join(each, nullptr);
    }
  });
}

struct named_case {
  const char* name;
  case_body run;
  long operations; // to begin with
};

constexpr named_case cases[] = {
    {"getppid", run_getppid, 200'000},
    {"gettid", run_gettid, 200'000},
    {"read_zero", run_read_zero, 100'000},
    {"yield", run_yield, 100'000},
    {"mutex", run_mutex, 40'000},
    {"mutex_free", run_mutex_free, 1'000'000},
    {"condition", run_condition, 40'000},
    {"semaphore", run_semaphore, 40'000},
    {"socketpair", run_socketpair, 20'000},
    {"create_join", run_create_join, 10'000},
    {"create_join_many", run_create_join_many, 10'000},
};

} // namespace

int main(int argc, char** argv) {
  const double long_enough = argc > 2 ? std::atof(argv[2]) : 0.15; // seconds
  for (const auto& each : cases) {
    if (argc < 2 || std::strcmp(argv[1], each.name) != 0) continue;
    each.run(each.operations / 10); // what is made once
    for (long n = each.operations;; n *= 2) {
      const double seconds = each.run(n);
      if (seconds < long_enough) continue;
      std::printf("%.2f\n", seconds * 1e9 / static_cast<double>(n));
      return 0;
    }
  }
  std::fprintf(stderr, "usage: calls CASE [SECONDS], CASE one of");
  for (const auto& each : cases)
    std::fprintf(stderr, " %s", each.name);
  std::fprintf(stderr, "\n");
  return 2;
}
