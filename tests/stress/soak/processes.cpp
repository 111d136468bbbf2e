// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/soak/scene.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <pthread.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace {

using namespace soak;

int status_of(pid_t child) {
  int status = 0;
  expect_equal(uninterrupted([&] { return waitpid(child, &status, 0); }), child, "waitpid");
  return status;
}

/// What a forked child does: threads of its own, whose work is reported through a pipe.
[[noreturn]] void live_as_child(int out, int threads, int turns, int code, chance c) {
  long total = 0;
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  {
    std::vector<thread> all;
    for (int i = 0; i < threads; ++i)
      all.emplace_back([&, own = c.split()]() mutable {
        for (int n = 0; n < turns; ++n) {
          pthread_mutex_lock(&lock);
          const long before = total;
          if (own.one_in(10)) dawdle(own);
          total = before + 1;
          pthread_mutex_unlock(&lock);
        }
      });
  }
  write_all(out, &total, sizeof total);
  _exit(code);
}

/// Forks from several threads at once; each child works and ends as it should.
void forks(chance& c) {
  const int parents = c.between(1, 5);
  std::vector<thread> all;
  for (int i = 0; i < parents; ++i)
    all.emplace_back([own = c.split()]() mutable {
      for (int n = own.between(1, 3); n > 0; --n) {
        int ends[2];
        if (pipe(ends) != 0) fail("pipe", -errno, 0);
        const int threads = own.between(0, 6), turns = own.between(1, 50);
        const int code = own.between(0, 255);
        const chance childs = own.split();
        const pid_t child = fork();
        if (child < 0) fail("fork", -errno, 0);
        if (child == 0) live_as_child(ends[1], threads, turns, code, childs);
        close(ends[1]);
        long total = -1;
        read_all(ends[0], &total, sizeof total);
        expect_equal(total, long{threads} * turns, "the work of a child's threads");
        const int status = status_of(child);
        expect_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, code, "a child's exit status");
        close(ends[0]);
        dawdle(own);
      }
    });
}

/// Programs started by posix_spawn, vfork inside, and by popen; and a child that is killed.
void programs(chance& c) {
  const int parents = c.between(1, 4);
  std::vector<thread> all;
  for (int i = 0; i < parents; ++i)
    all.emplace_back([own = c.split()]() mutable {
      switch (own.between(0, 2)) {
      case 0: {
        char name[] = "sh", option[] = "-c", text[] = "exit 7";
        char* arguments[] = {name, option, text, nullptr};
        pid_t child = 0;
        expect_equal(posix_spawn(&child, "/bin/sh", nullptr, nullptr, arguments, environ), 0,
                     "posix_spawn");
        const int status = status_of(child);
        expect_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 7, "a program's exit status");
        break;
      }
      case 1: {
        std::FILE* stream = popen("echo 12345", "r");
        if (stream == nullptr) fail("popen", -errno, 0);
        int value = 0;
        while (std::fscanf(stream, "%d", &value) != 1 && std::ferror(stream) && errno == EINTR)
          std::clearerr(stream);
        expect_equal(value, 12345, "what a program printed");
        expect_equal(pclose(stream), 0, "pclose");
        break;
      }
      default: {
        const pid_t child = fork();
        if (child < 0) fail("fork", -errno, 0);
        if (child == 0)
          for (;;)
            pause();
        dawdle(own);
        expect_equal(kill(child, SIGTERM), 0, "kill");
        const int status = status_of(child);
        expect_equal(WIFSIGNALED(status) ? WTERMSIG(status) : -1, SIGTERM,
                     "a killed child's status");
      }
      }
    });
}

const scenes registered{
    {"forks", forks},
    {"programs", programs},
};

} // namespace
