// SPDX-License-Identifier: BSL-1.0
//
// What a child, or a program that a process becomes, has from it.
#include "tests/conformance/descriptors.hpp"
#include "tests/conformance/futexes/other_process.hpp"
#include "tests/conformance/processes/child.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <csignal>
#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <set>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

template <class Body>
void in_a_thread_beside_others(Body body) {
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done.load())
      usleep(1000);
  });
  std::thread(body).join();
  done.store(true);
  other.join();
}

struct findings {
  sigset_t blocked, pending;
  bool ignored[65];
  pid_t pid = 0;
  char name[16];
};

void look(findings& f) {
  sigprocmask(SIG_BLOCK, nullptr, &f.blocked);
  sigpending(&f.pending);
  for (int n = 1; n <= 64; ++n) {
    struct sigaction action = {};
    f.ignored[n] = sigaction(n, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
  }
  f.pid = getpid();
}
const role looking{"looking", [](void* at) {
                     look(*static_cast<findings*>(at));
                     return 0;
                   }};

// The mask of the thread that calls execve, what is pending, and what is ignored.
void signals_over_exec() {
  for (const runs how : {runs::natively, runs::as_this}) {
    const shared_object<findings> f;
    const pid_t child = in_child([&] {
      for (const int n : {SIGSEGV, SIGBUS, SIGURG, SIGUSR1, SIGPIPE})
        std::signal(n, SIG_IGN);
      std::signal(SIGUSR2, [](int) {});
      const blocked everywhere{SIGTERM};
      std::thread other([] { pause(); });
      std::thread([&] {
        const blocked held{SIGHUP, SIGSEGV};
        pthread_kill(pthread_self(), SIGHUP);
        kill(getpid(), SIGTERM);
        std::vector<std::string> variables;
        for (char** v = environ; *v != nullptr; ++v)
          if (how == runs::as_this || std::strncmp(*v, "LD_PRELOAD=", 11) != 0)
            variables.push_back(*v);
        variables.push_back("CONFORMANCE_ROLE=looking");
        variables.push_back("CONFORMANCE_FILE=" + std::to_string(f.file()));
        std::vector<char*> environment;
        for (std::string& v : variables)
          environment.push_back(v.data());
        environment.push_back(nullptr);
        char* arguments[] = {const_cast<char*>("role"), nullptr};
        execve("/proc/self/exe", arguments, environment.data());
      }).join();
      return 1;
    });
    expect_equal(status_of(child), "exited 0", "the program");
    expect_equal(f->pid, child, "the process is the same");
    for (const int n : {SIGHUP, SIGTERM, SIGSEGV})
      expect_equal(sigismember(&f->blocked, n), 1, "blocked");
    expect_equal(sigismember(&f->blocked, SIGUSR1), 0, "not blocked");
    expect_equal(sigismember(&f->pending, SIGHUP), 1, "pending for the thread");
    expect_equal(sigismember(&f->pending, SIGTERM), 1, "pending for the process");
    for (int n = 1; n <= 31; ++n) {
      const bool ignored =
          n == SIGSEGV || n == SIGBUS || n == SIGURG || n == SIGUSR1 || n == SIGPIPE;
      if (f->ignored[n] != ignored) fail("ignored or not: " + std::to_string(n));
    }
  }
}

// The same for a process made by posix_spawn, and by vfork.
void ignored_over_spawn() {
  in_a_thread_beside_others([] {
    std::signal(SIGSEGV, SIG_IGN);
    std::signal(SIGURG, SIG_IGN);
    const shared_object<findings> f;
    setenv("CONFORMANCE_ROLE", "looking", 1);
    setenv("CONFORMANCE_FILE", std::to_string(f.file()).c_str(), 1);
    pid_t child = 0;
    char* arguments[] = {const_cast<char*>("role"), nullptr};
    expect_equal(posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, arguments, environ), 0,
                 "posix_spawn");
    unsetenv("CONFORMANCE_ROLE");
    expect_equal(status_of(child), "exited 0", "the program");
    expect(f->ignored[SIGSEGV] && f->ignored[SIGURG], "ignored");
    expect(!f->ignored[SIGBUS] && !f->ignored[SIGCHLD], "not ignored");
    struct sigaction now = {};
    sigaction(SIGSEGV, nullptr, &now);
    expect(now.sa_handler == SIG_IGN, "still ignored here");
    std::signal(SIGSEGV, SIG_DFL);
    std::signal(SIGURG, SIG_DFL);
  });
}

// A child that takes its time before it becomes another program holds up its parent's thread,
// and no other.
void vfork_that_lasts() {
  pipe_pair pipe;
  std::atomic<int> steps{0};
  std::thread worker([&] {
    for (int i = 0; i < 20; ++i) {
      usleep(1000);
      steps.fetch_add(1);
    }
    (void)!write(pipe.writer, "x", 1); // without which the child goes on waiting
  });
  std::thread([&] {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    const pid_t child = vfork();
#pragma GCC diagnostic pop
    if (child == 0) {
      char byte = 0;
      const ssize_t n = read(pipe.reader, &byte, 1);
      _exit(n == 1 ? 14 : 1);
    }
    expect_equal(steps.load(), 20, "the other thread went on meanwhile");
    expect_equal(status_of(child), "exited 14", "the child");
  }).join();
  worker.join();
}

std::set<int> listed() {
  std::set<int> found;
  DIR* directory = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(directory))
    if (entry->d_name[0] != '.') found.insert(std::atoi(entry->d_name));
  found.erase(dirfd(directory));
  closedir(directory);
  return found;
}

// A forked child sees the descriptors that its parent's code opened, and can close all.
void descriptors_of_a_fork() {
  in_a_thread_beside_others([] {
    const pipe_pair kept(0);
    std::set<int> expected;
    for (int fd = 0; fd < 1024; ++fd)
      if (fcntl(fd, F_GETFD) != -1) expected.insert(fd);
    const pid_t child = in_child([&] { return listed() == expected ? 0 : 1; });
    expect_equal(status_of(child), "exited 0", "what the child lists");
  });
}

// Three ways to close all: threads go on to work.
void all_descriptors_closed() {
  for (int way = 0; way < 3; ++way) {
    const shared_object<std::atomic<int>> result;
    const pid_t child = in_child([&] {
      pipe_pair early;
      std::thread blocked_reader([&] { usleep(1000); });
      rlimit limit{};
      getrlimit(RLIMIT_NOFILE, &limit);
      switch (way) {
      case 0:
        for (rlim_t fd = 0; fd < limit.rlim_cur && fd < 70'000; ++fd)
          close(static_cast<int>(fd));
        break;
      case 1:
        closefrom(0);
        break;
      default:
        syscall(SYS_close_range, 0u, ~0u, CLOSE_RANGE_UNSHARE);
      }
      blocked_reader.join();
      // Numbers begin anew.
      int ends[2];
      if (pipe(ends) != 0 || ends[0] != 0 || ends[1] != 1) return 2;
      int sum = 0;
      std::thread reader([&] {
        char byte = 0;
        while (read(0, &byte, 1) == 1)
          sum += byte;
      });
      usleep(2000);
      (void)!write(1, "\1\2\3", 3);
      close(1);
      reader.join();
      return sum == 6 ? 0 : 3;
    });
    expect_equal(status_of(child), "exited 0", "way " + std::to_string(way));
  }
}

// Whatever threads do with a descriptor, its flags stay what they were: they are others' too.
void flags_stay() {
  pipe_pair pipe(0);
  socket_pair sockets;
  const auto flags = [&] {
    std::vector<int> all;
    for (const int fd : {pipe.reader, pipe.writer, sockets.left, sockets.right, 0, 1, 2}) {
      all.push_back(fcntl(fd, F_GETFL) & O_NONBLOCK);
      all.push_back(fcntl(fd, F_GETFD));
    }
    return all;
  };
  const std::vector<int> before = flags();
  std::thread reader([&] {
    char byte = 0;
    (void)!read(pipe.reader, &byte, 1);
  });
  std::thread receiver([&] {
    char byte = 0;
    (void)!recv(sockets.left, &byte, 1, 0);
  });
  let_others_block();
  expect(flags() == before, "while threads wait");
  const pid_t child = in_child([&] { return flags() == before ? 0 : 1; });
  expect_equal(status_of(child), "exited 0", "in a child");
  (void)!write(pipe.writer, "x", 1);
  (void)!write(sockets.right, "x", 1);
  reader.join();
  receiver.join();
  expect(flags() == before, "afterwards");
}

void send_descriptor(int socket, int fd) {
  char byte = 'd';
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  expect_equal(sendmsg(socket, &message, 0), 1, "sendmsg");
}
int receive_descriptor(int socket) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, 0) != 1) return -1;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

// Pipes handed over to a child, which gets them while a thread of its waits, and uses them: again
// and again, so that numbers come back.
void descriptors_handed_over() {
  socket_pair line;
  const pid_t child = in_child([&] {
    close_once(line.left);
    int result = 0;
    std::thread([&] {
      for (int i = 0; i < 30; ++i) {
        const int fd = receive_descriptor(line.right);
        char text[8] = {};
        const ssize_t n = read(fd, text, sizeof text);
        if (n != 5 || std::strcmp(text, "hello") != 0) result = 1;
        if (read(fd, text, sizeof text) != 0) result = 2;
        close(fd);
      }
    }).join();
    return result;
  });
  close_once(line.right);
  std::thread([&] {
    for (int i = 0; i < 30; ++i) {
      pipe_pair pipe;
      send_descriptor(line.left, pipe.reader);
      close_once(pipe.reader);
      if (i % 3 == 0) usleep(500);
      expect_equal(write(pipe.writer, "hello", 5), 5, "write");
    }
  }).join();
  expect_equal(status_of(child), "exited 0", "the child");
}

// A daemon of a thread's making: it has another parent, no terminal, and threads of its own.
void a_daemon() {
  in_a_thread_beside_others([] {
    pipe_pair pipe;
    const pid_t child = in_child([&] {
      if (daemon(0, 0) != 0) return 1;
      std::thread([&] {
        char fine = 'y';
        if (getsid(0) == getppid() || gettid() == getpid()) fine = 'n';
        char path[64] = {};
        if (readlink("/proc/self/fd/1", path, sizeof path - 1) < 0 ||
            std::strcmp(path, "/dev/null") != 0)
          fine = 'm';
        usleep(1000);
        (void)!write(pipe.writer, &fine, 1);
      }).join();
      _exit(0);
      return 0;
    });
    expect_equal(status_of(child), "exited 0", "its first process");
    close_once(pipe.writer);
    char answer = 0;
    expect_equal(read(pipe.reader, &answer, 1), 1, "the daemon's word");
    expect_equal(answer, 'y', "all is as it should be there");
  });
}

const checks registered{
    {"signals_over_exec", signals_over_exec},
    {"ignored_over_spawn", ignored_over_spawn},
    {"vfork_that_lasts", vfork_that_lasts},
    {"descriptors_of_a_fork", descriptors_of_a_fork},
    {"all_descriptors_closed", all_descriptors_closed},
    {"flags_stay", flags_stay},
    {"descriptors_handed_over", descriptors_handed_over},
    {"a_daemon", a_daemon},
};

} // namespace
