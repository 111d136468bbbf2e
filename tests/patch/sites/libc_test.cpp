// SPDX-License-Identifier: BSL-1.0
// This program's own libc, ld.so and libstdc++ are rewritten before main does anything else; then
// a good part of libc is used: with no state (every call passes the stub's fast path), and with
// every call going to a dispatcher that lets the kernel do it.
#include <dirent.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <ctime>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "patch/sites/sites.hpp"
#include "tests/patch/sites/test_dispatcher.hpp"

using namespace weft::patch;
using namespace std::chrono_literals;
using testing_answer = weft::patch::testing::answer;
using weft::patch::testing::dispatcher;
using weft::patch::testing::virtual_scope;

extern char** environ;

namespace {

site_report report;
patch_status status;
std::chrono::nanoseconds patching_time;

enum class mode { fast, dispatched };

dispatch_result spawn_or_native(syscall_frame* frame) {
  switch (frame->rax) {
  case SYS_fork:
  case SYS_vfork:
  case SYS_clone:
  case SYS_clone3:
    return dispatch_result::spawn;
  default:
    return dispatch_result::native;
  }
}

class libc : public ::testing::TestWithParam<mode> {
 protected:
  void SetUp() override {
    ASSERT_EQ(status, patch_status::ok) << describe(status);
    if (GetParam() == mode::dispatched)
      scope_ = std::make_unique<virtual_scope>(testing_answer::hook, spawn_or_native);
  }
  void TearDown() override {
    EXPECT_EQ(dispatcher.dispatched > 0, GetParam() == mode::dispatched);
    scope_.reset();
    dispatcher.dispatched = 0;
  }

  /// Threads begin without a state; this gives them one.
  struct thread_state {
    explicit thread_state(mode m) {
      if (m == mode::dispatched) weft_self = &state;
    }
    ~thread_state() { weft_self = nullptr; }
    entry_state state;
  };

 private:
  std::unique_ptr<virtual_scope> scope_;
};

std::string directory() {
  char name[] = "/tmp/weft-libc-test-XXXXXX";
  return mkdtemp(name);
}

int exit_status(pid_t child) {
  int how = 0;
  EXPECT_EQ(waitpid(child, &how, 0), child);
  EXPECT_TRUE(WIFEXITED(how)) << how;
  return WEXITSTATUS(how);
}

TEST_P(libc, files) {
  const auto folder = directory();
  const auto path = folder + "/a";
  FILE* file = fopen(path.c_str(), "w+");
  ASSERT_NE(file, nullptr);
  for (int i = 0; i < 10000; ++i)
    fprintf(file, "%d\n", i);
  rewind(file);
  int last = -1, value;
  while (fscanf(file, "%d", &value) == 1)
    last = value;
  EXPECT_EQ(last, 9999);
  fclose(file);
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 48890);
  EXPECT_EQ(rename(path.c_str(), (folder + "/b").c_str()), 0);
  int entries = 0;
  DIR* dir = opendir(folder.c_str());
  while (readdir(dir))
    ++entries;
  closedir(dir);
  EXPECT_EQ(entries, 3);
  EXPECT_EQ(open(path.c_str(), O_RDONLY), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(unlink((folder + "/b").c_str()), 0);
  EXPECT_EQ(rmdir(folder.c_str()), 0);
}

TEST_P(libc, memory) {
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t size = 1; size < 64 << 20; size *= 2) {
    blocks.push_back(std::make_unique<char[]>(size));
    blocks.back()[size - 1] = 1;
  }
  void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(p, MAP_FAILED);
  p = mremap(p, 4096, 1 << 20, MREMAP_MAYMOVE);
  ASSERT_NE(p, MAP_FAILED);
  EXPECT_EQ(mprotect(p, 4096, PROT_READ), 0);
  EXPECT_EQ(munmap(p, 1 << 20), 0);
}

TEST_P(libc, threads) {
  std::mutex mutex;
  std::condition_variable changed;
  int turn = 0, done = 0;
  constexpr int threads = 4, rounds = 200;
  std::vector<std::thread> all;
  for (int id = 0; id < threads; ++id)
    all.emplace_back([&, id, m = GetParam()] {
      const thread_state state(m);
      for (int i = 0; i < rounds; ++i) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return turn % threads == id; });
        ++turn;
        changed.notify_all();
      }
      const std::lock_guard lock(mutex);
      ++done;
    });
  for (auto& thread : all)
    thread.join();
  EXPECT_EQ(turn, threads * rounds);
  EXPECT_EQ(done, threads);
}

TEST_P(libc, timed_waits) {
  const auto start = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(5ms);
  usleep(5000);
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_nsec += 5'000'000;
  if (deadline.tv_nsec >= 1'000'000'000) deadline.tv_nsec -= 1'000'000'000, ++deadline.tv_sec;
  EXPECT_EQ(sem_timedwait(&semaphore, &deadline), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable never;
  EXPECT_EQ(never.wait_for(lock, 5ms), std::cv_status::timeout);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 19ms);
}

TEST_P(libc, cancellation) {
  static bool cleaned;
  cleaned = false;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  struct arguments {
    int fd;
    mode m;
  } args{ends[0], GetParam()};
  pthread_t thread;
  auto body = [](void* p) -> void* {
    const auto& args = *static_cast<arguments*>(p);
    struct witness {
      ~witness() { cleaned = true; }
    } const w;
    const thread_state state(args.m);
    char byte;
    return reinterpret_cast<void*>(read(args.fd, &byte, 1));
  };
  ASSERT_EQ(pthread_create(&thread, nullptr, body, &args), 0);
  usleep(20000);
  EXPECT_EQ(pthread_cancel(thread), 0);
  void* result = nullptr;
  EXPECT_EQ(pthread_join(thread, &result), 0);
  EXPECT_EQ(result, PTHREAD_CANCELED);
  EXPECT_TRUE(cleaned);
  close(ends[0]);
  close(ends[1]);
}

TEST_P(libc, fork_and_pipes) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    write(ends[1], "hello", 5) == 5 ? _exit(getppid() != getpid() ? 3 : 4) : _exit(5);
  }
  char text[5];
  EXPECT_EQ(read(ends[0], text, 5), 5);
  EXPECT_EQ(std::string(text, 5), "hello");
  EXPECT_EQ(exit_status(child), 3);
  close(ends[0]);
  close(ends[1]);
}

TEST_P(libc, fork_in_a_thread) {
  std::thread([m = GetParam()] {
    const thread_state state(m);
    const pid_t child = fork();
    if (child == 0) _exit(std::vector<int>(1000, 1).back() + 5);
    EXPECT_EQ(exit_status(child), 6);
  }).join();
}

TEST_P(libc, vfork_and_exec) {
  volatile int seen = 1;
  const pid_t child = vfork();
  if (child == 0) {
    seen = 2;
    execl("/bin/sh", "sh", "-c", "exit 9", nullptr);
    _exit(127);
  }
  EXPECT_EQ(seen, 2);
  EXPECT_EQ(exit_status(child), 9);
}

TEST_P(libc, posix_spawn_and_shells) {
  const char* arguments[] = {"sh", "-c", "exit 11", nullptr};
  pid_t child;
  ASSERT_EQ(posix_spawn(&child, "/bin/sh", nullptr, nullptr, const_cast<char* const*>(arguments),
                        environ),
            0);
  EXPECT_EQ(exit_status(child), 11);
  EXPECT_EQ(posix_spawn(&child, "/nonexistent", nullptr, nullptr,
                        const_cast<char* const*>(arguments), environ),
            ENOENT);
  EXPECT_EQ(WEXITSTATUS(system("exit 12")), 12);
  FILE* pipe = popen("echo out of a shell", "r");
  char line[64] = {};
  EXPECT_NE(fgets(line, sizeof line, pipe), nullptr);
  EXPECT_STREQ(line, "out of a shell\n");
  EXPECT_EQ(pclose(pipe), 0);
}

TEST_P(libc, signals) {
  static volatile sig_atomic_t handled;
  handled = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { handled = handled + 1; };
  sigaction(SIGALRM, &action, nullptr);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const itimerval soon{{0, 0}, {0, 10000}};
  char byte = 0;

  setitimer(ITIMER_REAL, &soon, nullptr);
  EXPECT_EQ(read(ends[0], &byte, 1), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(handled, 1);

  // Restarted, the read finds what the handler wrote.
  static int write_end;
  write_end = ends[1];
  action.sa_handler = [](int) {
    handled = handled + 1;
    if (write(write_end, "x", 1) != 1) handled = 100;
  };
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  setitimer(ITIMER_REAL, &soon, nullptr);
  EXPECT_EQ(read(ends[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(handled, 2);

  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, &old);
  raise(SIGUSR1);
  int number = 0;
  EXPECT_EQ(sigwait(&set, &number), 0);
  EXPECT_EQ(number, SIGUSR1);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  signal(SIGALRM, SIG_DFL);
  close(ends[0]);
  close(ends[1]);
}

TEST_P(libc, handler_on_its_own_stack_and_jump) {
  static sigjmp_buf back;
  std::vector<char> memory(1 << 16);
  stack_t stack{memory.data(), 0, memory.size()}, old;
  ASSERT_EQ(sigaltstack(&stack, &old), 0);
  struct sigaction action {
  }, previous;
  action.sa_handler = [](int) { siglongjmp(back, 1); };
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGSEGV, &action, &previous);
  void* const guard = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool jumped = sigsetjmp(back, 1) != 0;
  if (!jumped) *static_cast<volatile int*>(guard) = 0;
  EXPECT_TRUE(jumped);
  sigaction(SIGSEGV, &previous, nullptr);
  sigaltstack(&old, nullptr);
}

TEST_P(libc, sockets_and_polling) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  pollfd poll_end{ends[0], POLLIN, 0};
  EXPECT_EQ(poll(&poll_end, 1, 1), 0);
  EXPECT_EQ(send(ends[1], "abc", 3, 0), 3);
  EXPECT_EQ(poll(&poll_end, 1, -1), 1);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  EXPECT_EQ(select(ends[0] + 1, &set, nullptr, nullptr, nullptr), 1);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{EPOLLIN, {}};
  EXPECT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), 0);
  EXPECT_EQ(epoll_wait(epoll, &event, 1, -1), 1);
  char text[3];
  EXPECT_EQ(recv(ends[0], text, 3, 0), 3);
  close(epoll);
  close(ends[0]);
  close(ends[1]);
  addrinfo* found = nullptr;
  EXPECT_EQ(getaddrinfo("127.0.0.1", "80", nullptr, &found), 0);
  freeaddrinfo(found);
}

TEST_P(libc, credentials_of_all_threads) {
  std::atomic<bool> stop = false;
  std::thread other([&] {
    while (!stop)
      usleep(1000);
  });
  EXPECT_EQ(setgid(getgid()), 0);
  EXPECT_EQ(setuid(getuid()), 0);
  stop = true;
  other.join();
}

TEST_P(libc, timers_with_threads) {
  static std::atomic<int> fired;
  fired = 0;
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = [](sigval) { ++fired; };
  timer_t timer;
  ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  const itimerspec soon{{0, 0}, {0, 2'000'000}};
  EXPECT_EQ(timer_settime(timer, 0, &soon, nullptr), 0);
  for (int i = 0; i < 1000 && !fired; ++i)
    usleep(1000);
  EXPECT_EQ(fired, 1);
  timer_delete(timer);
}

TEST_P(libc, exceptions) {
  EXPECT_GT(getpid(), 0);
  for (int i = 0; i < 100; ++i)
    EXPECT_THROW(throw std::runtime_error("x"), std::runtime_error);
}

INSTANTIATE_TEST_SUITE_P(all, libc, ::testing::Values(mode::fast, mode::dispatched),
                         [](const auto& info) {
                           return info.param == mode::fast ? "fast" : "dispatched";
                         });

TEST(sites, all_of_glibc) {
  for (unsigned i = 0; i < report.refused; ++i)
    printf("%s %#lx, number %d: %s\n", report.list[i].object, report.list[i].address,
           report.list[i].nr, report.list[i].reason);
  printf("%u objects, %u found, %u patched, %u unwanted, %u refused, %zu bytes, %ld us\n",
         report.objects, report.found, report.patched, report.unwanted, report.refused,
         report.trampoline_bytes, static_cast<long>(patching_time / 1us));
  EXPECT_EQ(report.found, report.patched + report.unwanted + report.refused);
  if (std::string(gnu_get_libc_version()) == "2.36") {
    // 526 of libc, 46 of ld.so; each has its rt_sigreturn.
    EXPECT_EQ(report.found, 572u);
    EXPECT_EQ(report.unwanted, 2u);
    EXPECT_EQ(report.refused, 0u);
  }
  EXPECT_GE(report.patched, 500u);
  EXPECT_LT(patching_time, 1s); // a sanity bound; the time itself is printed
}

TEST(sites, patched_again_has_nothing_to_do) {
  site_report again;
  EXPECT_EQ(patch_loaded_objects([](int) { return true; }, patch_mode::early, again),
            patch_status::ok);
  // Those of rt_sigreturn; what was patched is recognised.
  EXPECT_EQ(again.found, 2u);
  EXPECT_EQ(again.patched, 0u);
}

} // namespace

int main(int argc, char** argv) {
  const auto start = std::chrono::steady_clock::now();
  status = patch_loaded_objects([](int) { return true; }, patch_mode::early, report);
  patching_time = std::chrono::steady_clock::now() - start;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
