// SPDX-License-Identifier: BSL-1.0
// weft::patch_all() in a program that was started without weft: one scene a process, named by the
// argument, since what is patched stays patched.
#include <poll.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

namespace {

using namespace std::chrono_literals;

void expect(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "%s\n", what);
  std::_Exit(1);
}

bool has_own_id() {
  return weft::spawn([] { return ::gettid(); }).get() != ::gettid();
}
/// Whether ten fibers that do this, which takes 20 ms, do it at once.
template <class Rest>
bool at_once(Rest rest) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<weft::task<void>> tasks;
  for (int i = 0; i < 10; ++i)
    tasks.push_back(weft::spawn(rest));
  weft::joinall(tasks);
  return std::chrono::steady_clock::now() - begin < 150ms;
}
void nap() {
  ::usleep(20'000);
}
void watch_nothing() {
  ::poll(nullptr, 0, 20);
}

void at_the_beginning() {
  expect(!weft::is_patched(), "patched before it was asked for");
  weft::patch_all();
  expect(weft::is_patched(), "not patched");
  expect(has_own_id() && at_once(nap) && at_once(watch_nothing), "fibers with identity");
  pid_t id = 0;
  std::thread([&] { id = ::gettid(); }).join();
  expect(id > 4194304, "a green thread");
}

void twice() {
  weft::patch_all();
  weft::patch_all();
  expect(at_once(nap), "patched");
  weft::patch_all({.time = false});
  expect(at_once(nap), "nothing is taken back");
}

void with_fibers_at_work() {
  expect(!has_own_id(), "light without the patch");
  std::string order;
  auto before = weft::spawn([&] {
    order += 'a';
    weft::sleep(5ms);
    order += 'c';
    return ::gettid();
  });
  weft::yield();
  weft::patch_all();
  auto after = weft::spawn([&] {
    order += 'b';
    nap();
    order += 'd';
    return ::gettid();
  });
  expect(before.get() == ::gettid() && after.get() != ::gettid(), "each its kind");
  expect(order == "abcd", "in turns");
}

void families() {
  weft::patch_select();
  expect(has_own_id() && at_once(watch_nothing), "what was asked for");
  expect(!at_once(nap), "and no more");
  weft::patch_time();
  expect(at_once(nap) && at_once(watch_nothing), "one after another");
}

void kernel_threads_on_request() {
  weft::patch_all({.thread = false});
  std::mutex mutex;
  std::condition_variable changed;
  int turn = 0;
  pid_t id = 0;
  std::thread thread([&] {
    id = ::gettid();
    for (int i = 0; i < 20; ++i) {
      std::unique_lock held(mutex);
      changed.wait(held, [&] { return turn % 2 == 1; });
      ++turn;
      changed.notify_all();
    }
  });
  auto fiber = weft::spawn([&] {
    for (int i = 0; i < 20; ++i) {
      std::unique_lock held(mutex);
      changed.wait(held, [&] { return turn % 2 == 0; });
      ++turn;
      changed.notify_all();
    }
  });
  expect(at_once(nap), "fibers meanwhile");
  fiber.join();
  thread.join();
  expect(turn == 40, "hand to hand");
  expect(id > 0 && id <= 4194304, "a kernel thread");
}

/// Kernel threads that are blocked in the C library, each in its way, when it is rewritten.
void with_threads_blocked() {
  int pipes[2];
  expect(::pipe(pipes) == 0, "pipe");
  std::mutex mutex;
  std::condition_variable changed;
  bool go = false;
  std::atomic<int> right = 0;
  std::atomic<bool> computes = true;
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    char byte = 0;
    right += ::read(pipes[0], &byte, 1) == 1 && byte == 'x';
    right += !weft::is_patched();
  });
  threads.emplace_back([&] {
    std::unique_lock held(mutex);
    changed.wait(held, [&] { return go; });
    ++right;
  });
  threads.emplace_back([&] {
    ::usleep(60'000);
    ++right;
  });
  threads.emplace_back([&] {
    for (int i = 0; computes; ++i)
      if (::getppid() <= 0) --right;
    ++right;
  });
  ::usleep(20'000);
  weft::patch_all();
  expect(has_own_id() && at_once(nap), "fibers with identity");
  auto fiber = weft::spawn([&] {
    {
      const std::lock_guard held(mutex);
      go = true;
    }
    changed.notify_all();
    expect(::write(pipes[1], "x", 1) == 1, "write");
    computes = false;
  });
  fiber.join();
  for (auto& thread : threads)
    thread.join();
  expect(right == 5, "all went on");
  std::thread green([&] { right += weft::is_patched(); });
  green.join();
  expect(right == 6, "a green thread");
}

/// A word that fibers, green threads and a kernel thread wait for.
void with_locks_between_all_kinds() {
  std::mutex mutex;
  int count = 0;
  std::atomic<bool> stop = false;
  auto work = [&] {
    for (int i = 0; i < 50; ++i) {
      const std::lock_guard held(mutex);
      const int before = count;
      std::this_thread::sleep_for(100us);
      count = before + 1;
    }
  };
  std::thread kernel_thread([&] {
    work();
    while (!stop)
      std::this_thread::sleep_for(1ms);
  });
  weft::patch_all();
  std::thread green_thread(work);
  std::vector<weft::task<void>> fibers;
  for (int i = 0; i < 3; ++i)
    fibers.push_back(weft::spawn(work));
  weft::joinall(fibers);
  green_thread.join();
  stop = true;
  kernel_thread.join();
  expect(count == 250, "one at a time");
}

void from_another_thread() {
  bool refused = false;
  std::thread([&] {
    try {
      weft::patch_all();
    } catch (const std::logic_error&) {
      refused = true;
    }
  }).join();
  expect(refused && !weft::is_patched(), "refused");
  weft::patch_all();
  expect(weft::is_patched(), "and then by the first thread");
}

void children() {
  weft::patch_all();
  auto wait_for_one = [](int status_wanted) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::usleep(20'000);
      ::_exit(status_wanted);
    }
    int status = 0;
    return ::waitpid(child, &status, 0) == child ? WEXITSTATUS(status) : -1;
  };
  auto a = weft::spawn(wait_for_one, 1);
  auto b = weft::spawn(wait_for_one, 2);
  auto c = weft::spawn([] { return std::system("exit 3"); });
  expect(a.get() == 1 && b.get() == 2 && WEXITSTATUS(c.get()) == 3, "statuses");
}

/// Semaphores to and fro between fibers here and the threads of another process.
void with_words_of_other_processes() {
  constexpr int players = 20, rounds = 20;
  struct table {
    sem_t ping[players], pong[players], never;
  };
  auto* t = static_cast<table*>(
      ::mmap(nullptr, sizeof(table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  for (int i = 0; i < players; ++i) {
    ::sem_init(&t->ping[i], 1, 0);
    ::sem_init(&t->pong[i], 1, 0);
  }
  ::sem_init(&t->never, 1, 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::vector<std::thread> threads;
    for (int i = 0; i < players; ++i)
      threads.emplace_back([t, i] {
        for (int k = 0; k < rounds; ++k) {
          while (::sem_wait(&t->ping[i]) != 0) {
          }
          ::sem_post(&t->pong[i]);
        }
      });
    for (auto& thread : threads)
      thread.join();
    ::_exit(5);
  }
  weft::patch_all();
  int through = 0;
  auto play = [&](int i) {
    for (int k = 0; k < rounds; ++k) {
      ::sem_post(&t->ping[i]);
      while (::sem_wait(&t->pong[i]) != 0) {
      }
    }
    ++through;
  };
  // One that nobody wakes ends by its own time-out, and meanwhile the others play.
  auto in_vain = weft::spawn([&] {
    timespec until;
    ::clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    return ::sem_timedwait(&t->never, &until) == -1 && errno == ETIMEDOUT;
  });
  std::vector<weft::task<void>> fibers;
  for (int i = 1; i < players; ++i)
    fibers.push_back(weft::spawn(play, i));
  std::thread green([&] { play(0); });
  weft::joinall(fibers);
  green.join();
  expect(through == players, "all played");
  expect(in_vain.get(), "in vain");
  int status = 0;
  expect(::waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5, "the child");
}

/// Whether patch_all cuts a call of another thread's short, with EINTR. It may, if the thread was
/// not yet waiting in the call when it was looked at, and the call is one that no handler lets go
/// on.
bool cuts_a_call_short() {
  const pid_t child = ::fork();
  if (child == 0) {
    // A call that looks at much, without sleeping.
    int pipes[2];
    expect(::pipe(pipes) == 0, "pipe");
    std::vector<pollfd> ends(1000, {pipes[0], POLLIN, 0});
    std::atomic<int> cut = 0;
    std::atomic<bool> stop = false;
    std::thread thread([&] {
      while (!stop)
        if (::poll(ends.data(), ends.size(), 0) < 0 && errno == EINTR) ++cut;
    });
    ::usleep(2000);
    const int before = cut;
    weft::patch_all();
    ::usleep(1000);
    stop = true;
    thread.join();
    expect(before == 0, "not before");
    ::_exit(cut > 0 ? 4 : 0);
  }
  int status = 0;
  expect(::waitpid(child, &status, 0) == child && WIFEXITED(status), "the child");
  expect(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 4, "the child's end");
  return WEXITSTATUS(status) == 4;
}

/// A known limit.
void limit_a_call_cut_short() {
  for (int i = 0; i < 100; ++i)
    if (cuts_a_call_short()) return;
  expect(false, "no call is cut short: this is no limit any more");
}

} // namespace

int main(int count, char** arguments) {
  const std::map<std::string, std::function<void()>> scenes = {
      {"at_the_beginning", at_the_beginning},
      {"twice", twice},
      {"with_fibers_at_work", with_fibers_at_work},
      {"families", families},
      {"kernel_threads_on_request", kernel_threads_on_request},
      {"with_threads_blocked", with_threads_blocked},
      {"with_locks_between_all_kinds", with_locks_between_all_kinds},
      {"from_another_thread", from_another_thread},
      {"children", children},
      {"with_words_of_other_processes", with_words_of_other_processes},
      {"limit_a_call_cut_short", limit_a_call_cut_short},
  };
  if (count != 2 || !scenes.contains(arguments[1])) {
    std::fprintf(stderr, "usage: patch-all SCENE\n");
    return 2;
  }
  scenes.at(arguments[1])();
}
