// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/soak/scene.hpp"

#include <atomic>
#include <cerrno>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace soak;

/// What the victims share; nobody ever gives them what they wait for.
struct trap {
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t never = PTHREAD_COND_INITIALIZER;
  sem_t none;
  int pipe_ends[2];
  int sockets[2];
  std::atomic<long> cleaned{0}, unwound{0}, finished{0};
};

struct victim {
  trap* where;
  chance own;
};

struct count_unwinding {
  std::atomic<long>& count;
  ~count_unwinding() { ++count; }
};

void count_cleanup(void* argument) {
  ++static_cast<trap*>(argument)->cleaned;
}
void unlock(void* argument) {
  expect_equal(pthread_mutex_unlock(&static_cast<trap*>(argument)->lock), 0,
               "unlocking by a cleanup handler");
}

void wait_somewhere(trap& t, chance& c) {
  char byte = 0;
  switch (c.between(0, 7)) {
  case 0:
    if (read(t.pipe_ends[0], &byte, 1) > 0) fail("a byte from nowhere", byte, 0);
    break;
  case 1:
    sem_wait(&t.none);
    break;
  case 2:
    pthread_mutex_lock(&t.lock);
    pthread_cleanup_push(unlock, &t);
    for (;;)
      pthread_cond_wait(&t.never, &t.lock);
    pthread_cleanup_pop(1);
    break;
  case 3:
    usleep(static_cast<unsigned>(c.between(1, 3000)));
    break;
  case 4: {
    pollfd wanted{t.pipe_ends[0], POLLIN, 0};
    poll(&wanted, 1, c.one_in(2) ? -1 : c.between(0, 3));
    break;
  }
  case 5:
    if (recv(t.sockets[0], &byte, 1, 0) > 0) fail("a byte from nowhere", byte, 0);
    break;
  case 6: {
    int before = 0;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    dawdle(c);
    pthread_setcancelstate(before, nullptr);
    break;
  }
  default:
    pthread_testcancel();
    break;
  }
}

void* be_cancelled(void* argument) {
  auto& self = *static_cast<victim*>(argument);
  trap& t = *self.where;
  const count_unwinding counted{t.unwound};
  pthread_cleanup_push(count_cleanup, &t);
  if (self.own.one_in(10)) {
    for (int i = 0; i < 3; ++i)
      dawdle(self.own); // may be over before it is cancelled
    pthread_testcancel();
  } else {
    for (;;)
      wait_somewhere(t, self.own);
  }
  pthread_cleanup_pop(0);
  ++t.finished;
  return nullptr;
}

void cancelled(chance& c) {
  trap t;
  sem_init(&t.none, 0, 0);
  if (pipe(t.pipe_ends) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, t.sockets) != 0)
    fail("pipe or socketpair", -errno, 0);
  const int threads = c.between(1, c.one_in(10) ? 100 : 20);
  std::vector<victim> victims;
  for (int i = 0; i < threads; ++i)
    victims.push_back({&t, c.split()});
  std::vector<pthread_t> ids(victims.size());
  for (std::size_t i = 0; i < victims.size(); ++i) {
    expect_equal(pthread_create(&ids[i], nullptr, be_cancelled, &victims[i]), 0, "pthread_create");
    if (c.one_in(5)) dawdle(c);
  }
  if (c.one_in(2)) usleep(static_cast<unsigned>(c.between(1, 3000)));
  for (const pthread_t id : ids)
    expect_equal(pthread_cancel(id), 0, "pthread_cancel");
  long by_cancel = 0;
  for (const pthread_t id : ids) {
    void* result = nullptr;
    expect_equal(pthread_join(id, &result), 0, "pthread_join");
    by_cancel += result == PTHREAD_CANCELED ? 1 : 0;
  }
  expect_equal(by_cancel + t.finished, threads, "threads cancelled or finished");
  expect_equal(t.cleaned, by_cancel, "cleanup handlers");
  expect_equal(t.unwound, threads, "destructors");
  expect_equal(pthread_mutex_trylock(&t.lock), 0, "the mutex is free");
  pthread_mutex_unlock(&t.lock);
  sem_destroy(&t.none);
  for (const int fd : {t.pipe_ends[0], t.pipe_ends[1], t.sockets[0], t.sockets[1]})
    close(fd);
}

const scenes registered{{"cancelled", cancelled}};

} // namespace
