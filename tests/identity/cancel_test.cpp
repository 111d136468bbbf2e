// SPDX-License-Identifier: BSL-1.0
// What becomes of a fiber that is asked to end while it is in a call of the C library: that fails
// with ECANCELED if it would block, and the exception comes at the next switch point of weft's.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <functional>
#include <string>

#include <weft/weft.hpp>

#include "tests/identity/together.hpp"

namespace {

using namespace std::chrono_literals;
using identity::rest;

struct blocking {
  std::string name;
  std::function<long()> call; // -1 and errno
};

struct descriptors {
  int pair[2];
  int full[2];
  int listening;
  int epoll;
  descriptors() {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    EXPECT_EQ(::pipe2(full, O_NONBLOCK), 0);
    const char block[4096] = {};
    while (::write(full[1], block, sizeof block) > 0) {
    }
    ::fcntl(full[1], F_SETFL, 0);
    listening = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::listen(listening, 1), 0);
    epoll = ::epoll_create1(0);
  }
  ~descriptors() {
    for (int fd : {pair[0], pair[1], full[0], full[1], listening, epoll})
      ::close(fd);
  }
};

std::vector<blocking> blocking_calls(const descriptors& d) {
  static char byte;
  return {
      {"read", [&] { return ::read(d.pair[0], &byte, 1); }},
      {"recv", [&] { return ::recv(d.pair[0], &byte, 1, 0); }},
      {"recvmsg",
       [&] {
         iovec part{&byte, 1};
         msghdr message{};
         message.msg_iov = &part;
         message.msg_iovlen = 1;
         return ::recvmsg(d.pair[0], &message, 0);
       }},
      {"write", [&] { return ::write(d.full[1], &byte, 1); }},
      {"accept", [&] { return ::accept(d.listening, nullptr, nullptr); }},
      {"poll",
       [&] {
         pollfd p{d.pair[0], POLLIN, 0};
         return ::poll(&p, 1, -1);
       }},
      {"select",
       [&] {
         fd_set set;
         FD_ZERO(&set);
         FD_SET(d.pair[0], &set);
         return ::select(d.pair[0] + 1, &set, nullptr, nullptr, nullptr);
       }},
      {"epoll_wait",
       [&] {
         epoll_event event;
         return ::epoll_wait(d.epoll, &event, 1, -1);
       }},
      {"nanosleep",
       [&] {
         const timespec time{1000, 0};
         return ::nanosleep(&time, nullptr);
       }},
      {"pause", [&] { return ::pause(); }},
      {"sigwaitinfo",
       [&] {
         sigset_t set;
         sigemptyset(&set);
         sigaddset(&set, SIGUSR2);
         return ::sigwaitinfo(&set, nullptr);
       }},
      {"wait",
       [&] {
         const pid_t child = ::fork();
         if (child == 0) {
           ::pause();
           ::_exit(0);
         }
         const long result = ::waitpid(child, nullptr, 0);
         const int error = errno;
         ::kill(child, SIGKILL);
         errno = error;
         return result;
       }},
  };
}

class each_call : public testing::TestWithParam<int> {};

TEST_P(each_call, that_blocks_fails_with_ecanceled) {
  const descriptors d;
  const blocking& what = blocking_calls(d)[static_cast<std::size_t>(GetParam())];
  int error = 0;
  bool went_on = false;
  auto one = weft::spawn([&] {
    if (what.call() == -1) error = errno;
    weft::yield();
    went_on = true;
  });
  weft::sleep(5ms);
  ASSERT_FALSE(one.done());
  one.cancel();
  one.join();
  EXPECT_EQ(error, ECANCELED) << what.name;
  EXPECT_FALSE(went_on);
  EXPECT_THROW(one.get(), weft::task_cancelled);
}
INSTANTIATE_TEST_SUITE_P(each, each_call,
                         testing::Range(0, static_cast<int>(blocking_calls(descriptors{}).size())),
                         [](const auto& info) {
                           const descriptors d;
                           return blocking_calls(d)[static_cast<std::size_t>(info.param)].name;
                         });

TEST(cancelled_fiber, never_begins_if_it_had_not) {
  bool ran = false;
  auto one = weft::spawn([&] { ran = true; });
  one.cancel();
  one.join();
  EXPECT_FALSE(ran);
}

TEST(cancelled_fiber, is_refused_again_until_it_lets_itself_end) {
  int refused = 0;
  auto one = weft::spawn([&] {
    while (refused < 5) {
      const int result = ::usleep(100'000'000);
      if (result == -1 && errno == ECANCELED) ++refused;
    }
    weft::yield();
    ADD_FAILURE() << "went on";
  });
  weft::yield();
  one.cancel();
  one.join();
  EXPECT_EQ(refused, 5);
}

TEST(cancelled_fiber, may_block_while_it_cleans_up) {
  bool rested = false;
  struct at_end {
    bool& told;
    ~at_end() { told = ::usleep(1000) == 0; }
  };
  auto one = weft::spawn([&] {
    const at_end clean_up{rested};
    ::usleep(100'000'000);
    weft::yield();
  });
  weft::yield();
  one.cancel();
  one.join();
  EXPECT_TRUE(rested);
}

TEST(cancelled_fiber, that_tries_again_and_again_leaves_others_their_turns) {
  bool enough = false;
  auto stubborn = weft::spawn([&] {
    while (!enough)
      ::usleep(100'000'000);
  });
  weft::yield();
  stubborn.cancel();
  weft::sleep(2ms);
  enough = true;
  stubborn.join();
}

TEST(cancelled_fiber, gets_what_is_there) {
  int pipes[2];
  ASSERT_EQ(::pipe(pipes), 0);
  ASSERT_EQ(::write(pipes[1], "x", 1), 1);
  weft::event begin;
  auto one = weft::spawn([&] {
    try {
      begin.wait();
    } catch (const weft::cancelled&) {
    }
    char byte = 0;
    return ::read(pipes[0], &byte, 1);
  });
  weft::yield();
  one.cancel();
  EXPECT_EQ(one.get(), 1);
  ::close(pipes[0]);
  ::close(pipes[1]);
}

/// Whether a fiber that waits so goes on doing it when it is cancelled, until `end`.
template <class Wait, class End>
bool goes_on_waiting(Wait wait, End end) {
  bool done = false;
  auto one = weft::spawn([&] {
    wait();
    done = true;
    weft::yield();
    ADD_FAILURE() << "went on";
  });
  weft::yield();
  one.cancel();
  weft::sleep(2ms);
  const bool waited = !one.done() && !done;
  end();
  one.join();
  return waited && done;
}

// A known limit. pthread_mutex_lock has no error that would say so, and glibc aborts on one it does
// not know.
TEST(cancelled_fiber, goes_on_waiting_for_a_lock_of_the_c_librarys) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  EXPECT_TRUE(goes_on_waiting(
      [&] {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
      },
      [&] { pthread_mutex_unlock(&mutex); }));
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  EXPECT_TRUE(goes_on_waiting([&] { sem_wait(&semaphore); }, [&] { sem_post(&semaphore); }));
  pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
  EXPECT_TRUE(goes_on_waiting(
      [&] {
        pthread_mutex_lock(&mutex);
        pthread_cond_wait(&changed, &mutex);
        pthread_mutex_unlock(&mutex);
      },
      [&] { pthread_cond_signal(&changed); }));
}

TEST(timeout_scope, ends_a_call_of_the_c_librarys) {
  auto one = weft::spawn([&] {
    weft::timeout_scope limit{5ms};
    int error = 0;
    try {
      if (::usleep(100'000'000) == -1) error = errno;
      weft::yield();
      return 0;
    } catch (const weft::timeout_expired& expired) {
      EXPECT_EQ(expired.scope(), &limit);
      return error;
    }
  });
  EXPECT_EQ(one.get(), ECANCELED);
}

TEST(with_timeout, ends_a_call_of_the_c_librarys) {
  EXPECT_THROW(weft::with_timeout(5ms,
                                  [] {
                                    ::usleep(100'000'000);
                                    weft::yield();
                                  }),
               weft::timeout_error);
}

TEST(killall, ends_all_that_are_in_calls) {
  std::vector<weft::task<void>> tasks;
  for (int i = 0; i < 50; ++i)
    tasks.push_back(weft::spawn([] {
      while (true) {
        ::usleep(100'000'000);
        weft::yield();
      }
    }));
  weft::yield();
  weft::killall(tasks);
  for (auto& task : tasks)
    EXPECT_TRUE(task.done());
}

} // namespace
