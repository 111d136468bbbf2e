// SPDX-License-Identifier: BSL-1.0
// Which blocking calls a handled signal interrupts, and which SA_RESTART continues: signal(7).
#include "tests/conformance/check.hpp"
#include "tests/conformance/deadline.hpp"
#include "tests/conformance/descriptors.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace conformance;

std::atomic<int> handled{0};
void note(int) {
  handled.fetch_add(1);
}

struct outcome {
  long result = 0;
  int error = 0;
};

// Runs the call in a thread and signals it again and again, so that no signal can come too early
// for good, until the call has ended (never more than 10 s).
template <class Call>
outcome signalled_until_it_ends(int flags, Call call) {
  const handling handler(SIGUSR1, note, flags);
  std::atomic<bool> ended{false};
  outcome found;
  std::thread thread([&] {
    errno = 0;
    found.result = call();
    found.error = errno;
    ended.store(true);
    // Whatever is still under way to this thread may arrive.
    usleep(20'000);
  });
  const stopwatch watch;
  while (!ended.load() && watch.elapsed() < 10s) {
    usleep(5000);
    if (!ended.load()) pthread_kill(thread.native_handle(), SIGUSR1);
  }
  if (!ended.load()) fail("the call was not interrupted");
  thread.join();
  return found;
}

template <class Call>
void interrupted(const char* what, int flags, Call call) {
  const outcome found = signalled_until_it_ends(flags, call);
  expect_equal(found.result, -1, what);
  expect_equal(found.error, EINTR, what);
}

// Runs the call in a thread, has three signals handled meanwhile, then lets the call succeed.
template <class Call, class Release>
void restarted(const char* what, Call call, Release release) {
  const handling handler(SIGUSR1, note, SA_RESTART);
  outcome found;
  std::atomic<bool> ended{false};
  std::thread thread([&] {
    found.result = call();
    found.error = errno;
    ended.store(true);
    usleep(20'000);
  });
  let_others_block();
  for (int i = 0; i < 3; ++i) {
    const int before = handled.load();
    pthread_kill(thread.native_handle(), SIGUSR1);
    wait_until([&] { return handled.load() > before; }, "the handler has run");
  }
  usleep(20'000);
  expect(!ended.load(), std::string(what) + " goes on after the handler");
  release();
  thread.join();
  expect(found.result >= 0, std::string(what) + " succeeds after the handler");
}

void interrupted_without_restart() {
  const pipe_pair pipe;
  const socket_pair sockets;
  const listener server;
  char byte = 0;
  interrupted("read", 0, [&] { return read(pipe.reader, &byte, 1); });
  interrupted("recv", 0, [&] { return recv(sockets.left, &byte, 1, 0); });
  interrupted("accept", 0, [&] { return accept(server.fd, nullptr, nullptr); });
  const std::string much(1 << 20, 'x');
  const outcome partly =
      signalled_until_it_ends(0, [&] { return write(pipe.writer, much.data(), much.size()); });
  expect(partly.result > 0 && partly.result < (1 << 20), "write ends with what was written");
  interrupted("write of a full pipe", 0,
              [&] { return write(pipe.writer, much.data(), much.size()); });
}

void interrupted_always() {
  const pipe_pair pipe;
  for (const int flags : {0, SA_RESTART}) {
    interrupted("poll", flags, [&] {
      pollfd entry{pipe.reader, POLLIN, 0};
      return poll(&entry, 1, -1);
    });
    interrupted("select", flags, [&] {
      fd_set set;
      FD_ZERO(&set);
      FD_SET(pipe.reader, &set);
      return select(pipe.reader + 1, &set, nullptr, nullptr, nullptr);
    });
    interrupted("epoll_wait", flags, [] {
      const int poller = epoll_create1(EPOLL_CLOEXEC);
      epoll_event event{};
      const int result = epoll_wait(poller, &event, 1, -1);
      const int error = errno;
      close(poller);
      errno = error;
      return result;
    });
    interrupted("nanosleep", flags, [] {
      const timespec wish{60, 0};
      timespec rest{};
      const int result = nanosleep(&wish, &rest);
      const int error = errno;
      expect(rest.tv_sec >= 40 && rest.tv_sec < 60, "nanosleep tells the rest");
      errno = error;
      return result;
    });
    interrupted("pause", flags, [] { return pause(); });
    interrupted("sigtimedwait", flags, [] {
      const sigset_t set = set_of({SIGUSR2});
      const timespec wait{60, 0};
      return sigtimedwait(&set, nullptr, &wait);
    });
  }
}

void interrupted_despite_restart_with_a_time_limit() {
  const socket_pair sockets;
  const timeval limit{60, 0};
  setsockopt(sockets.left, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  char byte = 0;
  interrupted("recv with SO_RCVTIMEO", SA_RESTART, [&] { return recv(sockets.left, &byte, 1, 0); });
}

void sleep_returns_the_rest() {
  const outcome found = signalled_until_it_ends(0, [] { return static_cast<long>(sleep(60)); });
  expect(found.result >= 40 && found.result <= 60, "sleep returns the seconds left");
}

void restarted_reads() {
  const pipe_pair pipe;
  const socket_pair sockets;
  const listener server;
  char byte = 0;
  restarted(
      "read", [&] { return read(pipe.reader, &byte, 1); },
      [&] { expect_equal(write(pipe.writer, "a", 1), 1, "write"); });
  expect_equal(byte, 'a', "what was read");
  restarted(
      "recv", [&] { return recv(sockets.left, &byte, 1, 0); },
      [&] { expect_equal(write(sockets.right, "b", 1), 1, "write"); });
  expect_equal(byte, 'b', "what was received");
  int client = -1;
  int accepted = -1;
  restarted(
      "accept", [&] { return accepted = accept(server.fd, nullptr, nullptr); },
      [&] { client = server.connect_to(); });
  close(accepted);
  close(client);
}

void semaphores_and_signals() {
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  interrupted("sem_wait", 0, [&] { return sem_wait(&semaphore); });
  interrupted("sem_timedwait", 0, [&] {
    const timespec until = deadline(CLOCK_REALTIME, 60s);
    return sem_timedwait(&semaphore, &until);
  });
  restarted(
      "sem_wait", [&] { return sem_wait(&semaphore); }, [&] { sem_post(&semaphore); });
  sem_destroy(&semaphore);
}

void waitpid_and_signals() {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  interrupted("waitpid", 0, [&] { return waitpid(child, nullptr, 0); });
  restarted(
      "waitpid", [&] { return waitpid(child, nullptr, 0); }, [&] { kill(child, SIGKILL); });
}

void locks_are_never_interrupted() {
  const handling handler(SIGUSR1, note);
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  std::thread waiter([&] {
    expect_equal(pthread_mutex_lock(&lock), 0, "pthread_mutex_lock");
    pthread_mutex_unlock(&lock);
  });
  let_others_block();
  for (int i = 0; i < 5; ++i) {
    const int before = handled.load();
    pthread_kill(waiter.native_handle(), SIGUSR1);
    wait_until([&] { return handled.load() > before; }, "the handler has run");
  }
  pthread_mutex_unlock(&lock);
  waiter.join();
}

void a_point_in_time_stays() {
  // However often a signal restarts it, nanosleep to a point in time ends then.
  const handling handler(SIGUSR1, note);
  std::atomic<bool> ended{false};
  std::thread sleeper([&] {
    const stopwatch watch;
    const timespec until = deadline(CLOCK_MONOTONIC, 200ms);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
    watch.expect_between(199ms, 8s, "a sleep to a point in time");
    ended.store(true);
    usleep(20'000);
  });
  while (!ended.load()) {
    usleep(10'000);
    if (!ended.load()) pthread_kill(sleeper.native_handle(), SIGUSR1);
  }
  sleeper.join();
}

const checks registered{
    {"interrupted_without_restart", interrupted_without_restart},
    {"interrupted_always", interrupted_always},
    {"interrupted_despite_restart_with_a_time_limit",
     interrupted_despite_restart_with_a_time_limit},
    {"sleep_returns_the_rest", sleep_returns_the_rest},
    {"restarted_reads", restarted_reads},
    {"semaphores_and_signals", semaphores_and_signals},
    {"waitpid_and_signals", waitpid_and_signals},
    {"locks_are_never_interrupted", locks_are_never_interrupted},
    {"a_point_in_time_stays", a_point_in_time_stays},
};

} // namespace
