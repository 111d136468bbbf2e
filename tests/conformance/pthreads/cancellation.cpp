// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/deadline.hpp"
#include "tests/conformance/descriptors.hpp"
#include "tests/conformance/pthreads/cancelling.hpp"

#include <atomic>
#include <csignal>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" void cleanup_handlers_run_in_order(char* order, sem_t* waits_here);

namespace {

using namespace conformance;

void cancel_sleeps() {
  cancels("sleep", [] { sleep(60); });
  cancels("usleep", [] { usleep(60'000'000); });
  cancels("nanosleep", [] {
    const timespec minute{60, 0};
    nanosleep(&minute, nullptr);
  });
  cancels("clock_nanosleep", [] {
    const timespec until = deadline(CLOCK_MONOTONIC, 60s);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
  });
  cancels("pause", [] { pause(); });
}

void cancel_reads() {
  const pipe_pair pipe;
  const socket_pair sockets;
  char byte = 0;
  cancels("read from a pipe", [&] { (void)!read(pipe.reader, &byte, 1); });
  cancels("read from a socket", [&] { (void)!read(sockets.left, &byte, 1); });
  cancels("recv", [&] { recv(sockets.left, &byte, 1, 0); });
  cancels("recvmsg", [&] {
    iovec vector{&byte, 1};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    recvmsg(sockets.left, &message, 0);
  });
  cancels("readv", [&] {
    const iovec vector{&byte, 1};
    (void)!readv(sockets.left, &vector, 1);
  });
  expect_equal(write(pipe.writer, "x", 1), 1, "the pipe still works");
  expect_equal(read(pipe.reader, &byte, 1), 1, "the pipe still works");
}

void cancel_accept() {
  const listener server;
  cancels("accept", [&] { accept(server.fd, nullptr, nullptr); });
  const int client = server.connect_to();
  const int accepted = accept(server.fd, nullptr, nullptr);
  expect(accepted >= 0, "the listener still works");
  close(accepted);
  close(client);
}

void cancel_write() {
  const pipe_pair pipe;
  const std::string much(4 << 20, 'x');
  cancels("write", [&] { (void)!write(pipe.writer, much.data(), much.size()); });
}

void cancel_polls() {
  const pipe_pair pipe;
  cancels("poll", [&] {
    pollfd entry{pipe.reader, POLLIN, 0};
    poll(&entry, 1, -1);
  });
  cancels("poll of nothing", [&] { poll(nullptr, 0, 60'000); });
  cancels("select", [&] {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipe.reader, &set);
    select(pipe.reader + 1, &set, nullptr, nullptr, nullptr);
  });
  cancels("epoll_wait", [&] {
    struct guard {
      int fd = epoll_create1(EPOLL_CLOEXEC);
      ~guard() { close(fd); }
    } poller;
    epoll_event event{};
    epoll_wait(poller.fd, &event, 1, -1);
  });
}

void cancel_synchronisation() {
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  cancels("sem_wait", [&] { sem_wait(&semaphore); });
  cancels("sem_timedwait", [&] {
    const timespec until = deadline(CLOCK_REALTIME, 60s);
    sem_timedwait(&semaphore, &until);
  });
  sem_destroy(&semaphore);

  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  cancels("pthread_cond_wait", [&] {
    struct holder { // the mutex is held again when the stack is unwound
      pthread_mutex_t& lock;
      explicit holder(pthread_mutex_t& l) : lock(l) { pthread_mutex_lock(&lock); }
      ~holder() { pthread_mutex_unlock(&lock); }
    } held(lock);
    for (;;)
      pthread_cond_wait(&condition, &lock);
  });
  expect_equal(pthread_mutex_trylock(&lock), 0, "the mutex is free afterwards");
  pthread_mutex_unlock(&lock);
}

void cancel_join_and_wait() {
  sem_t go;
  sem_init(&go, 0, 0);
  pthread_t sleeper{};
  pthread_create(
      &sleeper, nullptr,
      [](void* gate) -> void* {
        sem_wait(static_cast<sem_t*>(gate));
        return nullptr;
      },
      &go);
  cancels("pthread_join", [&] { pthread_join(sleeper, nullptr); });
  sem_post(&go);
  expect_equal(pthread_join(sleeper, nullptr), 0, "the thread can still be joined");
  sem_destroy(&go);

  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  cancels("waitpid", [&] { waitpid(child, nullptr, 0); });
  kill(child, SIGKILL);
  int status = 0;
  expect_equal(waitpid(child, &status, 0), child, "the child can still be waited for");
  cancels("sigwait", [] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    int number = 0;
    sigwait(&set, &number);
  });
}

void cancel_disabled() {
  std::atomic<bool> survived{false};
  cancels("a thread that had disabled cancellation", [&] {
    int old = 0;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    expect_equal(old, PTHREAD_CANCEL_ENABLE, "the state at first");
    usleep(150'000);
    survived.store(true);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
    pthread_testcancel();
  });
  expect(survived.load(), "no cancellation while it is disabled");
}

void cancel_pending_before_the_call() {
  std::atomic<bool> go{false};
  const pipe_pair pipe;
  expect_equal(write(pipe.writer, "x", 1), 1, "write");
  struct context {
    std::atomic<bool>& go;
    int fd;
  } shared{go, pipe.reader};
  pthread_t thread{};
  pthread_create(
      &thread, nullptr,
      [](void* argument) -> void* {
        const auto& mine = *static_cast<context*>(argument);
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
        while (!mine.go.load())
          sched_yield();
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
        char byte = 0;
        (void)!read(mine.fd, &byte, 1); // data is there, but the request comes first
        return nullptr;
      },
      &shared);
  pthread_cancel(thread);
  go.store(true);
  void* result = nullptr;
  pthread_join(thread, &result);
  expect(result == PTHREAD_CANCELED, "cancelled at the call");
  char byte = 0;
  expect_equal(read(pipe.reader, &byte, 1), 1, "the byte is still there");
}

void cleanup_handlers() {
  char order[64] = {};
  sem_t reached;
  sem_init(&reached, 0, 0);
  struct context {
    char* order;
    sem_t* reached;
  } shared{order, &reached};
  pthread_t thread{};
  pthread_create(
      &thread, nullptr,
      [](void* argument) -> void* {
        const auto& mine = *static_cast<context*>(argument);
        cleanup_handlers_run_in_order(mine.order, mine.reached);
        return nullptr;
      },
      &shared);
  sem_wait(&reached);
  let_others_block();
  pthread_cancel(thread);
  void* result = nullptr;
  pthread_join(thread, &result);
  expect(result == PTHREAD_CANCELED, "cancelled");
  expect_equal(std::string(order), "popped inner outer ", "the order of the handlers");
  sem_destroy(&reached);
}

const checks registered{
    {"cancel_sleeps", cancel_sleeps},
    {"cancel_reads", cancel_reads},
    {"cancel_accept", cancel_accept},
    {"cancel_write", cancel_write},
    {"cancel_polls", cancel_polls},
    {"cancel_synchronisation", cancel_synchronisation},
    {"cancel_join_and_wait", cancel_join_and_wait},
    {"cancel_disabled", cancel_disabled},
    {"cancel_pending_before_the_call", cancel_pending_before_the_call},
    {"cleanup_handlers", cleanup_handlers},
};

} // namespace
