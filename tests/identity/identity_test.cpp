// SPDX-License-Identifier: BSL-1.0
// Fibers with an identity of their own: what makes them threads to the C library.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

#include "tests/identity/together.hpp"

namespace {

using namespace std::chrono_literals;
using identity::rest;

struct trace_of_end {
  std::vector<int>* to = nullptr;
  int number = 0;
  ~trace_of_end() {
    if (to) to->push_back(number);
  }
};
thread_local int plain = 5;
thread_local trace_of_end ends;

TEST(identity, is_a_thread_id_of_its_own) {
  std::set<pid_t> ids{::gettid()};
  auto note = [&] { ids.insert(::gettid()); };
  auto a = weft::spawn(note);
  auto b = weft::spawn(note);
  weft::joinall(a, b);
  EXPECT_EQ(ids.size(), 3u);
}

TEST(identity, is_thread_locals_of_its_own) {
  plain = 7;
  std::vector<int> seen;
  auto count = [&] {
    for (int i = 0; i < 3; ++i) {
      seen.push_back(++plain);
      rest();
    }
  };
  auto a = weft::spawn(count);
  auto b = weft::spawn(count);
  weft::joinall(a, b);
  EXPECT_EQ(seen, (std::vector<int>{6, 6, 7, 7, 8, 8}));
  EXPECT_EQ(plain, 7);
}

TEST(identity, ends_with_its_thread_locals_before_who_joins_goes_on) {
  std::vector<int> order;
  auto one = weft::spawn([&] {
    ends.to = &order;
    ends.number = 1;
    rest();
    order.push_back(0);
  });
  one.join();
  order.push_back(2);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST(identity, has_keys_whose_destructors_may_block) {
  static pthread_key_t key;
  static int destroyed = 0;
  pthread_key_create(&key, [](void*) {
    rest();
    ++destroyed;
  });
  std::vector<weft::task<void>> tasks;
  for (int i = 0; i < 3; ++i)
    tasks.push_back(weft::spawn([] { pthread_setspecific(key, &destroyed); }));
  weft::joinall(tasks);
  EXPECT_EQ(destroyed, 3);
  EXPECT_EQ(pthread_getspecific(key), nullptr);
  pthread_key_delete(key);
}

TEST(identity, is_errno_of_its_own) {
  errno = ERANGE;
  auto one = weft::spawn([] {
    errno = EDOM;
    rest();
    return errno;
  });
  EXPECT_EQ(one.get(), EDOM);
  EXPECT_EQ(errno, ERANGE);
}

TEST(identity, of_the_light_kind_is_its_threads) {
  plain = 1;
  auto light = weft::spawn({.identity = weft::shared}, [] {
    ++plain;
    weft::yield();
    return ::gettid();
  });
  EXPECT_EQ(light.get(), ::gettid());
  EXPECT_EQ(plain, 2);
}

TEST(identity, and_the_light_kind_take_turns) {
  std::string order;
  auto letters = [&](char c) {
    for (int i = 0; i < 3; ++i) {
      order += c;
      weft::yield();
    }
  };
  auto a = weft::spawn(letters, 'a');
  auto b = weft::spawn({.identity = weft::shared}, letters, 'b');
  auto c = weft::spawn(letters, 'c');
  weft::joinall(a, b, c);
  EXPECT_EQ(order, "abcabcabc");
}

TEST(identity, lets_a_hundred_sleep_at_once) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<weft::task<void>> tasks;
  for (int i = 0; i < 100; ++i)
    tasks.push_back(weft::spawn([] { ::usleep(100'000); }));
  weft::joinall(tasks);
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, 100ms);
  EXPECT_LT(took, 5s); // one after the other: 10 s
}

TEST(identity, owns_recursive_mutexes) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_t mutex;
  pthread_mutex_init(&mutex, &attributes);
  int inside = 0;
  int most = 0;
  std::vector<weft::task<void>> tasks;
  for (int i = 0; i < 10; ++i)
    tasks.push_back(weft::spawn([&] {
      pthread_mutex_lock(&mutex);
      pthread_mutex_lock(&mutex);
      most = std::max(most, ++inside);
      rest();
      pthread_mutex_unlock(&mutex);
      rest();
      --inside;
      pthread_mutex_unlock(&mutex);
    }));
  weft::joinall(tasks);
  EXPECT_EQ(most, 1);
  pthread_mutex_destroy(&mutex);
  pthread_mutexattr_destroy(&attributes);
}

TEST(identity, keeps_a_stream_to_itself) {
  std::FILE* file = std::tmpfile();
  std::vector<weft::task<void>> tasks;
  for (int i = 0; i < 20; ++i)
    tasks.push_back(weft::spawn([&, i] {
      ::flockfile(file);
      for (int k = 0; k < 5; ++k) {
        std::fprintf(file, "%d ", i);
        rest();
      }
      std::fputc('\n', file);
      ::funlockfile(file);
    }));
  weft::joinall(tasks);
  std::rewind(file);
  for (int line = 0; line < 20; ++line) {
    int a, b, c, d, e;
    ASSERT_EQ(std::fscanf(file, "%d %d %d %d %d", &a, &b, &c, &d, &e), 5);
    EXPECT_TRUE(a == b && b == c && c == d && d == e);
  }
  std::fclose(file);
}

TEST(identity, keeps_exceptions_apart) {
  auto throwing = [](int number) {
    try {
      throw number;
    } catch (...) {
      rest();
      try {
        throw;
      } catch (int again) {
        rest();
        return again;
      }
    }
  };
  auto a = weft::spawn(throwing, 1);
  auto b = weft::spawn(throwing, 2);
  EXPECT_EQ(a.get(), 1);
  EXPECT_EQ(b.get(), 2);
  auto failing = weft::spawn([] {
    rest();
    throw std::runtime_error("oops");
  });
  EXPECT_THROW(failing.get(), std::runtime_error);
}

TEST(identity, is_woken_by_other_threads) {
  int pipes[2];
  ASSERT_EQ(::pipe(pipes), 0);
  weft::event ready;
  auto reader = weft::spawn([&] {
    char byte = 0;
    ready.set();
    EXPECT_EQ(::read(pipes[0], &byte, 1), 1);
    return byte;
  });
  ready.wait();
  std::thread writer([&] {
    rest();
    EXPECT_EQ(::write(pipes[1], "x", 1), 1);
  });
  EXPECT_EQ(reader.get(), 'x');
  writer.join();
  ::close(pipes[0]);
  ::close(pipes[1]);
}

TEST(identity, is_woken_though_its_hub_is_busy) {
  int pipes[2];
  ASSERT_EQ(::pipe(pipes), 0);
  bool done = false;
  auto reader = weft::spawn([&] {
    char byte;
    EXPECT_EQ(::read(pipes[0], &byte, 1), 1);
    ::usleep(1000);
    done = true;
  });
  auto writer = weft::spawn([&] { EXPECT_EQ(::write(pipes[1], "x", 1), 1); });
  while (!done)
    weft::yield();
  weft::joinall(reader, writer);
  ::close(pipes[0]);
  ::close(pipes[1]);
}

TEST(identity, lets_other_threads_run_though_its_hub_is_busy) {
  std::atomic<bool> ran = false;
  std::thread other([&] { ran = true; });
  while (!ran)
    weft::yield();
  other.join();
}

TEST(identity, lives_in_hubs_of_other_threads) {
  std::vector<std::thread> threads;
  std::atomic<int> sum = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      std::vector<weft::task<int>> tasks;
      for (int i = 0; i < 10; ++i)
        tasks.push_back(weft::spawn([i] {
          rest();
          return i;
        }));
      for (auto& task : tasks)
        sum += task.get();
    });
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(sum, 180);
}

TEST(identity, goes_with_the_kernel_thread_that_its_hubs_thread_has_of_its_own) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      EXPECT_EQ(::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL), 0); // such a call makes it have one
      for (int round = 0; round < 20; ++round) {
        std::vector<weft::task<long>> tasks;
        for (int i = 0; i < 4; ++i)
          tasks.push_back(weft::spawn([] {
            rest();
            return static_cast<long>(::prctl(PR_GET_TIMERSLACK));
          }));
        for (auto& task : tasks)
          EXPECT_EQ(task.get(), 1);
      }
    });
  for (auto& thread : threads)
    thread.join();
}

TEST(identity, ends_with_its_hubs_thread) {
  bool cleaned_up = false;
  std::thread thread([&] {
    struct at_end {
      bool& told;
      ~at_end() { told = true; }
    };
    static_cast<void>(weft::spawn([&] {
      const at_end tell{cleaned_up};
      while (true) {
        ::usleep(1000);
        weft::yield();
      }
    }));
    weft::yield();
  });
  thread.join();
  EXPECT_TRUE(cleaned_up);
}

TEST(identity, leaves_by_pthread_exit) {
  bool unwound = false;
  struct at_end {
    bool& told;
    ~at_end() { told = true; }
  };
  auto one = weft::spawn([&] {
    const at_end tell{unwound};
    rest();
    pthread_exit(nullptr);
  });
  EXPECT_THROW(one.get(), weft::task_cancelled);
  EXPECT_TRUE(unwound);
}

TEST(identity, is_reached_by_pthread_cancel) {
  pthread_t thread{};
  auto one = weft::spawn([&] {
    thread = pthread_self();
    ::sleep(100);
  });
  weft::yield();
  EXPECT_EQ(pthread_cancel(thread), 0);
  EXPECT_THROW(one.get(), weft::task_cancelled);
}

TEST(identity, is_reached_by_pthread_kill) {
  struct sigaction action {};
  static int received = 0;
  static pid_t by = 0;
  action.sa_handler = [](int) {
    ++received;
    by = ::gettid();
  };
  sigaction(SIGUSR1, &action, nullptr);
  pthread_t thread{};
  pid_t id = 0;
  auto one = weft::spawn([&] {
    thread = pthread_self();
    id = ::gettid();
    return ::usleep(100'000'000) == -1 ? errno : 0;
  });
  weft::yield();
  EXPECT_EQ(pthread_kill(thread, SIGUSR1), 0);
  EXPECT_EQ(one.get(), EINTR);
  EXPECT_EQ(received, 1);
  EXPECT_EQ(by, id);
}

TEST(identity, goes_on_alone_in_a_forked_child) {
  auto sleeper = weft::spawn([] { ::usleep(10'000); });
  auto forking = weft::spawn([] {
    ::usleep(1000);
    const pid_t child = ::fork();
    if (child == 0) {
      // The hub lives on, with fibers of its own.
      auto one = weft::spawn([] {
        ::usleep(1000);
        return 20;
      });
      auto light = weft::spawn({.identity = weft::shared}, [] {
        weft::sleep(1ms);
        return 3;
      });
      ::_exit(one.get() + light.get());
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  });
  EXPECT_EQ(forking.get(), 23);
  sleeper.join();
}

TEST(identity, ends_a_forked_child_with_its_last_fiber) {
  int pipes[2];
  ASSERT_EQ(::pipe(pipes), 0);
  auto forking = weft::spawn([&]() -> pid_t {
    const pid_t child = ::fork();
    if (child != 0) return child;
    static_cast<void>(weft::spawn([fd = pipes[1]] {
      ::usleep(1000);
      EXPECT_EQ(::write(fd, "x", 1), 1);
    }));
    return 0;
  });
  const pid_t child = forking.get();
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  char byte = 0;
  EXPECT_EQ(::read(pipes[0], &byte, 1), 1);
  ::close(pipes[0]);
  ::close(pipes[1]);
}

TEST(identity, is_no_thread_that_could_end_a_deadlock) {
  weft::event never;
  auto one = weft::spawn([&] { never.wait(); });
  EXPECT_THROW(one.join(), weft::deadlock_error);
  one.cancel();
  one.join();
}

TEST(identity, is_named_in_dumps_with_where_it_is) {
  auto one = weft::spawn({.name = "napper"}, [] { ::usleep(20'000); });
  weft::yield();
  std::ostringstream text;
  weft::dump(text);
  EXPECT_NE(text.str().find("napper"), std::string::npos) << text.str();
  EXPECT_NE(text.str().find("parked in a call of the C library"), std::string::npos) << text.str();
  EXPECT_NE(text.str().find("usleep"), std::string::npos) << text.str();
  EXPECT_EQ(text.str().find("libweft-patch"), std::string::npos) << text.str();
  one.join();
}

TEST(identity, has_the_stack_that_was_asked_for) {
  auto deep = weft::spawn({.stack_size = std::size_t{16} << 20}, [] {
    volatile char room[12 << 20];
    for (std::size_t i = 0; i < sizeof room; i += 4096)
      room[i] = 1;
    return static_cast<int>(room[4096]);
  });
  EXPECT_EQ(deep.get(), 1);
}

TEST(identity, is_cheap_enough_for_ten_thousand) {
  std::vector<weft::task<int>> tasks;
  tasks.reserve(10'000);
  for (int i = 0; i < 10'000; ++i)
    tasks.push_back(weft::spawn([] {
      ::usleep(50'000);
      return 1;
    }));
  int sum = 0;
  for (auto& task : tasks)
    sum += task.get();
  EXPECT_EQ(sum, 10'000);
}

// What stays as it is: see the known limits in patch/README.md.

/// Whether another fiber runs while a fiber of this kind does that.
template <class Block>
bool lets_others_run(weft::fiber_identity kind, Block block) {
  bool blocked = false;
  bool ran_meanwhile = false;
  auto blocking = weft::spawn({.identity = kind}, [&] {
    blocked = true;
    block();
    blocked = false;
  });
  auto other = weft::spawn([&] {
    weft::yield();
    ran_meanwhile = blocked;
  });
  weft::joinall(blocking, other);
  return ran_meanwhile;
}

TEST(limit, light_fibers_block_their_thread_in_the_c_library) {
  EXPECT_TRUE(lets_others_run(weft::fiber_identity::own, rest));
  EXPECT_FALSE(lets_others_run(weft::shared, rest));
}

TEST(limit, what_only_the_kernel_can_wait_for_holds_up_the_hub) {
  const std::string path = "/tmp/weft-identity-" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&] { // but no other thread
    rest();
    ::close(::open(path.c_str(), O_WRONLY));
  });
  EXPECT_FALSE(
      lets_others_run(weft::fiber_identity::own, [&] { ::close(::open(path.c_str(), O_RDONLY)); }));
  writer.join();
  ::unlink(path.c_str());
}

} // namespace
