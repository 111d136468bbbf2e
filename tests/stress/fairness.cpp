// SPDX-License-Identifier: BSL-1.0
//
// Threads that only compute beside a thousand that answer: how long an answer takes. Prints the
// median, the 99th percentile and the longest, in milliseconds; fails if the 99th percentile is
// above the limit, or if a thread that computes has not had its turns.
//
//   fairness [--computing N] [--connections N] [--seconds S] [--limit MS]
//
// By default one thread computes for each processor. The asker is a process of its own with one
// thread, which asks ten thousand times a second at most.
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;
using milliseconds = std::chrono::duration<double, std::milli>;

struct plan {
  unsigned computing = 0;
  unsigned connections = 1000;
  double seconds = 5;
  double limit = 20;
};

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(2);
}

unsigned processors() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<unsigned>(CPU_COUNT(&set)) : 1;
}

plan read_plan(int argc, char** argv) {
  plan p;
  p.computing = processors();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const double value = std::atof(argv[i + 1]);
    if (name == "--computing")
      p.computing = static_cast<unsigned>(value);
    else if (name == "--connections")
      p.connections = static_cast<unsigned>(value);
    else if (name == "--seconds")
      p.seconds = value;
    else if (name == "--limit")
      p.limit = value;
    else
      argc = 0;
  }
  if (argc % 2 == 0 || p.connections == 0) {
    std::fprintf(stderr,
                 "usage: fairness [--computing N] [--connections N] [--seconds S] [--limit MS]\n");
    std::exit(2);
  }
  return p;
}

void answer(int fd) {
  char byte;
  while (read(fd, &byte, 1) == 1)
    if (write(fd, &byte, 1) != 1) return;
}

/// Asks ten at a time, each millisecond if all goes well, and notes how long each answer took.
int ask(const std::vector<int>& all, const plan& p) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<clock_type::time_point> asked(all.size());
  std::vector<bool> waits(all.size(), false);
  for (std::size_t i = 0; i < all.size(); ++i) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i], &event) != 0) give_up("epoll_ctl");
  }
  std::vector<double> took;
  took.reserve(1 << 20);
  const auto begun = clock_type::now();
  auto round = begun;
  std::size_t next = 0;
  std::size_t out = 0;
  for (bool over = false;;) {
    const auto now = clock_type::now();
    over = over || now - begun > std::chrono::duration<double>(p.seconds);
    if (!over && now >= round) {
      round = now + std::chrono::milliseconds(1);
      for (int i = 0; i < 10; ++i, next = (next + 1) % all.size()) {
        if (waits[next]) continue;
        asked[next] = clock_type::now();
        if (write(all[next], "?", 1) != 1) give_up("write");
        waits[next] = true;
        ++out;
      }
    }
    if (over && out == 0) break;
    epoll_event events[64];
    const int n = epoll_wait(epoll, events, 64, over ? 10'000 : 1);
    if (n == 0 && over) {
      std::fprintf(stderr, "%zu answers never came\n", out);
      return 1;
    }
    for (int i = 0; i < n; ++i) {
      const std::size_t which = events[i].data.u64;
      char byte;
      if (read(all[which], &byte, 1) != 1 || !waits[which]) give_up("read");
      took.push_back(milliseconds(clock_type::now() - asked[which]).count());
      waits[which] = false;
      --out;
    }
  }
  if (took.empty()) {
    std::fprintf(stderr, "nothing was asked\n");
    return 1;
  }
  std::sort(took.begin(), took.end());
  const double p99 = took[took.size() * 99 / 100];
  std::printf("%zu answers, ms: median %.2f, 99%% %.2f, longest %.2f\n", took.size(),
              took[took.size() / 2], p99, took.back());
  std::fflush(stdout);
  return p99 <= p.limit ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  const plan p = read_plan(argc, argv);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  std::vector<int> here, there;
  for (unsigned i = 0; i < p.connections; ++i) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) give_up("socketpair");
    here.push_back(ends[0]);
    there.push_back(ends[1]);
  }
  const pid_t asker = fork();
  if (asker == 0) {
    for (const int fd : here)
      close(fd);
    return ask(there, p);
  }
  for (const int fd : there)
    close(fd);
  std::atomic<bool> end{false};
  std::vector<std::atomic<unsigned long>> work(p.computing);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < p.computing; ++i)
    threads.emplace_back([&, i] {
      while (!end.load(std::memory_order_relaxed))
        work[i].fetch_add(1, std::memory_order_relaxed);
    });
  for (const int fd : here)
    threads.emplace_back(answer, fd);
  int status = 0;
  waitpid(asker, &status, 0);
  end.store(true);
  for (std::thread& each : threads)
    each.join();
  int result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  for (unsigned i = 0; i < p.computing; ++i) {
    std::printf("computing %u: %lu million steps\n", i, work[i].load() / 1'000'000);
    if (work[i].load() == 0) result = 1;
  }
  return result;
}
