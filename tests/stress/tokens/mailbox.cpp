// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/tokens/mailbox.hpp"

#include "tests/stress/tokens/board.hpp"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <vector>

namespace tokens {
namespace {

void must(bool right, const char* call) {
  if (!right) fail(std::string(call) + ": " + std::strerror(errno));
}
/// Calls of pthread, which return what is wrong.
void must_be_zero(int result, const char* call) {
  errno = result;
  must(result == 0, call);
}

timespec in_a_while(std::uint64_t chance) {
  timespec at{};
  clock_gettime(CLOCK_REALTIME, &at);
  at.tv_nsec += static_cast<long>(chance % 1000) * 1'000'000;
  at.tv_sec += 1 + at.tv_nsec / 1'000'000'000;
  at.tv_nsec %= 1'000'000'000;
  return at;
}

/// First in, first out; nearly always none or one.
class line {
 public:
  line() { waiting_.reserve(2); } // by the main thread, so that few need an arena of malloc's
  void push(const message& m) { waiting_.push_back(m); }
  message pop() {
    const message first = waiting_.front();
    waiting_.erase(waiting_.begin());
    return first;
  }
  [[nodiscard]] bool empty() const { return waiting_.empty(); }

 private:
  std::vector<message> waiting_;
};

class by_condition final : public mailbox {
 public:
  explicit by_condition(std::uint64_t chance) : chance_(chance) {}
  ~by_condition() override {
    must_be_zero(pthread_cond_destroy(&filled_), "pthread_cond_destroy");
    must_be_zero(pthread_mutex_destroy(&lock_), "pthread_mutex_destroy");
  }

  void put(const message& m) override {
    must_be_zero(pthread_mutex_lock(&lock_), "pthread_mutex_lock");
    line_.push(m);
    const bool inside = chance_ & 1;
    if (inside) must_be_zero(pthread_cond_signal(&filled_), "pthread_cond_signal");
    must_be_zero(pthread_mutex_unlock(&lock_), "pthread_mutex_unlock");
    if (!inside) must_be_zero(pthread_cond_signal(&filled_), "pthread_cond_signal");
  }

  message take() override {
    must_be_zero(pthread_mutex_lock(&lock_), "pthread_mutex_lock");
    while (line_.empty()) {
      if (chance_ / 2 % 32 == 0) { // with a time limit, which now and then is reached
        const timespec until = in_a_while(chance_);
        const int result = pthread_cond_timedwait(&filled_, &lock_, &until);
        if (result != ETIMEDOUT) must_be_zero(result, "pthread_cond_timedwait");
      } else {
        must_be_zero(pthread_cond_wait(&filled_, &lock_), "pthread_cond_wait");
      }
    }
    const message taken = line_.pop();
    must_be_zero(pthread_mutex_unlock(&lock_), "pthread_mutex_unlock");
    return taken;
  }

  bool empty() override { return line_.empty(); }

 private:
  std::uint64_t chance_;
  pthread_mutex_t lock_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t filled_ = PTHREAD_COND_INITIALIZER;
  line line_;
};

class by_semaphore final : public mailbox {
 public:
  explicit by_semaphore(std::uint64_t chance) : chance_(chance) {
    sem_init(&lock_, 0, 1);
    sem_init(&filled_, 0, 0);
  }
  ~by_semaphore() override {
    sem_destroy(&lock_);
    sem_destroy(&filled_);
  }

  void put(const message& m) override {
    wait(lock_);
    line_.push(m);
    must(sem_post(&lock_) == 0, "sem_post");
    must(sem_post(&filled_) == 0, "sem_post");
  }

  message take() override {
    if (chance_ % 32 == 0) {
      for (;;) {
        const timespec until = in_a_while(chance_ / 32);
        if (sem_timedwait(&filled_, &until) == 0) break;
        must(errno == ETIMEDOUT || errno == EINTR, "sem_timedwait");
      }
    } else {
      wait(filled_);
    }
    wait(lock_);
    const message taken = line_.pop();
    must(sem_post(&lock_) == 0, "sem_post");
    return taken;
  }

  bool empty() override { return line_.empty(); }

 private:
  static void wait(sem_t& what) {
    while (sem_wait(&what) != 0)
      must(errno == EINTR, "sem_wait");
  }

  std::uint64_t chance_;
  sem_t lock_, filled_;
  line line_;
};

/// A pipe or a pair of sockets: a message is so small that the kernel keeps it in one piece.
class by_descriptor final : public mailbox {
 public:
  by_descriptor(kind way, std::uint64_t chance) : way_(way), poll_first_(chance % 4 == 0) {
    if (way == kind::pipe)
      must(pipe(ends_) == 0, "pipe");
    else
      must(socketpair(AF_UNIX, chance / 4 % 2 ? SOCK_STREAM : SOCK_SEQPACKET, 0, ends_) == 0,
           "socketpair");
  }
  ~by_descriptor() override {
    close(ends_[0]);
    close(ends_[1]);
  }

  void put(const message& m) override {
    ssize_t sent = -1;
    do
      sent = way_ == kind::pipe ? write(ends_[1], &m, sizeof m)
                                : send(ends_[1], &m, sizeof m, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    must(sent == sizeof m, way_ == kind::pipe ? "write" : "send");
  }

  message take() override {
    if (poll_first_) {
      pollfd wanted{ends_[0], POLLIN, 0};
      while (poll(&wanted, 1, -1) < 0)
        must(errno == EINTR, "poll");
    }
    message taken{};
    ssize_t got = -1;
    do
      got = way_ == kind::pipe ? read(ends_[0], &taken, sizeof taken)
                               : recv(ends_[0], &taken, sizeof taken, 0);
    while (got < 0 && errno == EINTR);
    must(got == sizeof taken, way_ == kind::pipe ? "read" : "recv");
    return taken;
  }

  bool empty() override {
    int bytes = 0;
    must(ioctl(ends_[0], FIONREAD, &bytes) == 0, "FIONREAD");
    return bytes == 0;
  }

 private:
  kind way_;
  bool poll_first_;
  int ends_[2] = {-1, -1};
};

} // namespace

std::unique_ptr<mailbox> make_mailbox(kind way, std::uint64_t chance) {
  switch (way) {
  case kind::condition:
    return std::make_unique<by_condition>(chance);
  case kind::semaphore:
    return std::make_unique<by_semaphore>(chance);
  case kind::pipe:
  case kind::socket:
    return std::make_unique<by_descriptor>(way, chance);
  case kind::barrier:
    break; // has no mailboxes
  }
  return nullptr;
}

} // namespace tokens
