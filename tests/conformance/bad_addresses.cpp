// SPDX-License-Identifier: BSL-1.0
//
// A wrong address in a system call is EFAULT, whatever it points to, and the process lives.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <csignal>
#include <cstring>
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace conformance;

// Wrong in each way in which an address can be.
class wrong_addresses {
 public:
  wrong_addresses() {
    forbidden_ = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const int file = static_cast<int>(syscall(SYS_memfd_create, "empty", 0));
    beyond_ = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
  }
  wrong_addresses(const wrong_addresses&) = delete;
  wrong_addresses& operator=(const wrong_addresses&) = delete;
  ~wrong_addresses() {
    munmap(forbidden_, 4096);
    munmap(beyond_, 4096);
  }

  template <class Visit>
  void each(Visit visit) const {
    visit(reinterpret_cast<long>(nullptr) + 64);
    visit(reinterpret_cast<long>(forbidden_));
    visit(reinterpret_cast<long>(beyond_)); // SIGBUS
    visit(0x7000'0000'0000'0000L);          // no address at all: a general protection fault
    visit(static_cast<long>(0xffff'8000'0000'0000UL)); // the kernel's
  }

 private:
  void* forbidden_;
  void* beyond_;
};

// Each check runs with a second thread there and without one.
template <class Body>
void both_ways(Body body) {
  body();
  pipe_pair until;
  std::thread other([&] {
    char byte = 0;
    (void)!read(until.reader, &byte, 1);
  });
  body();
  (void)!write(until.writer, "x", 1);
  other.join();
}

// `call` gets one wrong address after the other.
template <class Call>
void refuses(std::string_view what, Call call) {
  const wrong_addresses wrong;
  wrong.each([&](long address) { expect_errno(call(address), EFAULT, what); });
}

void times() {
  both_ways([] {
    refuses("nanosleep", [](long bad) { return syscall(SYS_nanosleep, bad, nullptr); });
    refuses("clock_nanosleep",
            [](long bad) { return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, bad, 0); });
    pollfd none{-1, POLLIN, 0};
    refuses("ppoll", [&](long bad) { return syscall(SYS_ppoll, &none, 1, bad, nullptr, 8); });
    refuses("pselect6", [](long bad) { return syscall(SYS_pselect6, 0, 0, 0, 0, bad, 0); });
    refuses("select", [](long bad) { return syscall(SYS_select, 0, 0, 0, 0, bad); });
    const int epoll = epoll_create1(0);
    epoll_event event;
    refuses("epoll_pwait2",
            [&](long bad) { return syscall(SYS_epoll_pwait2, epoll, &event, 1, bad, 0, 8); });
    close(epoll);
    const sigset_t set = set_of({SIGUSR1});
    refuses("rt_sigtimedwait",
            [&](long bad) { return syscall(SYS_rt_sigtimedwait, &set, nullptr, bad, 8); });
    unsigned word = 0;
    refuses("futex",
            [&](long bad) { return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, bad); });
  });
}

void sets_of_descriptors() {
  both_ways([] {
    pipe_pair pipe;
    timespec moment{0, 1000};
    refuses("poll", [](long bad) { return syscall(SYS_poll, bad, 1, 1); });
    refuses("ppoll", [&](long bad) { return syscall(SYS_ppoll, bad, 1, &moment, 0, 8); });
    refuses("select", [&](long bad) { return syscall(SYS_select, 8, bad, 0, 0, 0); });
    refuses("pselect6", [&](long bad) { return syscall(SYS_pselect6, 8, 0, bad, 0, &moment, 0); });
    refuses("pselect6's mask",
            [&](long bad) { return syscall(SYS_pselect6, 0, 0, 0, 0, &moment, bad); });
    refuses("ppoll's mask", [&](long bad) { return syscall(SYS_ppoll, 0, 0, &moment, bad, 8); });
    const int epoll = epoll_create1(0);
    epoll_event event;
    refuses("epoll_pwait's mask",
            [&](long bad) { return syscall(SYS_epoll_pwait, epoll, &event, 1, 1, bad, 8); });
    close(epoll);
  });
}

void vectors_and_messages() {
  both_ways([] {
    int pair[2];
    expect_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0, "socketpair");
    refuses("readv", [&](long bad) { return syscall(SYS_readv, pair[0], bad, 2); });
    refuses("writev", [&](long bad) { return syscall(SYS_writev, pair[0], bad, 2); });
    refuses("recvmsg", [&](long bad) { return syscall(SYS_recvmsg, pair[0], bad, 0); });
    refuses("sendmsg", [&](long bad) { return syscall(SYS_sendmsg, pair[0], bad, 0); });
    refuses("sendmmsg", [&](long bad) { return syscall(SYS_sendmmsg, pair[0], bad, 1, 0); });
    refuses("write", [&](long bad) { return syscall(SYS_write, pair[0], bad, 10); });
    refuses("a message's parts", [&](long bad) {
      msghdr message{};
      message.msg_iov = reinterpret_cast<iovec*>(bad);
      message.msg_iovlen = 1;
      return syscall(SYS_sendmsg, pair[0], &message, 0);
    });
    refuses("one part of several", [&](long bad) {
      char good[4] = {};
      const iovec parts[] = {{good, 0}, {reinterpret_cast<void*>(bad), 4}};
      return syscall(SYS_writev, pair[0], parts, 2);
    });
    // A whole page before the end of what is mapped: the second part lies beyond it.
    auto* pages = static_cast<char*>(
        mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    munmap(pages + 4096, 4096);
    auto* last = reinterpret_cast<iovec*>(pages + 4096) - 1;
    *last = {pages, 4};
    expect_errno(syscall(SYS_writev, pair[0], last, 2), EFAULT, "a vector that ends in nothing");
    munmap(pages, 4096);
    close(pair[0]);
    close(pair[1]);
  });
}

void signals() {
  both_ways([] {
    refuses("rt_sigaction", [](long bad) { return syscall(SYS_rt_sigaction, SIGUSR1, bad, 0, 8); });
    refuses("rt_sigaction's old",
            [](long bad) { return syscall(SYS_rt_sigaction, SIGUSR1, 0, bad, 8); });
    refuses("rt_sigprocmask",
            [](long bad) { return syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, 0, 8); });
    refuses("rt_sigprocmask's old",
            [](long bad) { return syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, bad, 8); });
    refuses("rt_sigpending", [](long bad) { return syscall(SYS_rt_sigpending, bad, 8); });
    refuses("rt_sigsuspend", [](long bad) { return syscall(SYS_rt_sigsuspend, bad, 8); });
    refuses("rt_sigtimedwait",
            [](long bad) { return syscall(SYS_rt_sigtimedwait, bad, nullptr, nullptr, 8); });
    refuses("rt_tgsigqueueinfo", [](long bad) {
      return syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, bad);
    });
    refuses("sigaltstack", [](long bad) { return syscall(SYS_sigaltstack, bad, nullptr); });
    refuses("sigaltstack's old", [](long bad) { return syscall(SYS_sigaltstack, nullptr, bad); });
  });
}

void futexes() {
  both_ways([] {
    unsigned word = 0;
    timespec moment{0, 1000};
    const auto futex = [](auto... a) { return syscall(SYS_futex, a...); };
    refuses("wait", [&](long bad) { return futex(bad, FUTEX_WAIT_PRIVATE, 0, &moment); });
    refuses("wait, shared", [&](long bad) { return futex(bad, FUTEX_WAIT, 0, &moment); });
    refuses("wake op", [&](long bad) { return futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, 1, bad, 0); });
    refuses("cmp requeue",
            [&](long bad) { return futex(bad, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, &word, 0); });
    refuses("lock pi", [&](long bad) { return futex(bad, FUTEX_LOCK_PI_PRIVATE, 0, 0); });
    refuses("unlock pi", [&](long bad) { return futex(bad, FUTEX_UNLOCK_PI_PRIVATE); });
    refuses("trylock pi", [&](long bad) { return futex(bad, FUTEX_TRYLOCK_PI_PRIVATE); });
  });
}

void processes() {
  both_ways([] {
    refuses("clone3", [](long bad) { return syscall(SYS_clone3, bad, sizeof(clone_args)); });
    refuses("wait4's status", [](long bad) {
      const pid_t child = fork();
      if (child == 0) _exit(0);
      const long result = syscall(SYS_wait4, child, bad, 0, nullptr);
      const int error = errno;
      // The child has been waited for all the same.
      expect_errno(waitpid(child, nullptr, 0), ECHILD, "waitpid afterwards");
      errno = error;
      return result;
    });
    refuses("waitid's info", [](long bad) {
      const pid_t child = fork();
      if (child == 0) _exit(0);
      return syscall(SYS_waitid, P_PID, child, bad, WEXITED, nullptr);
    });
    refuses("execve", [](long bad) { return syscall(SYS_execve, bad, nullptr, nullptr); });
    refuses("prctl's name", [](long bad) { return syscall(SYS_prctl, 15, bad); });
  });
}

std::atomic<int> handled{0};

// What the program does with SIGSEGV is its own affair, also while weft needs the signal.
void whatever_the_disposition() {
  const auto refuse = [](const char* what) {
    refuses(what, [](long bad) { return syscall(SYS_nanosleep, bad, nullptr); });
  };
  both_ways([&] {
    {
      handled.store(0);
      const handling handler(SIGSEGV, [](int) { handled.fetch_add(1); });
      refuse("caught");
      expect_equal(handled.load(), 0, "no handler runs");
      raise(SIGSEGV);
      expect_equal(handled.exchange(0), 1, "it does when somebody sends the signal");
    }
    {
      struct sigaction ignore = {}, before;
      ignore.sa_handler = SIG_IGN;
      sigaction(SIGSEGV, &ignore, &before);
      expect(before.sa_handler == SIG_DFL, "the default, as far as the program knows");
      refuse("ignored");
      kill(getpid(), SIGSEGV);
      sigaction(SIGSEGV, &before, &ignore);
      expect(ignore.sa_handler == SIG_IGN, "still ignored");
    }
  });
  // Blocked everywhere.
  const blocked all{SIGSEGV, SIGBUS};
  std::thread([&] {
    refuse("blocked");
    kill(getpid(), SIGBUS);
    sigset_t pending;
    sigpending(&pending);
    expect_equal(sigismember(&pending, SIGBUS), 1, "pending");
    const sigset_t set = set_of({SIGBUS});
    siginfo_t info;
    expect_equal(sigwaitinfo(&set, &info), SIGBUS, "and taken");
    expect_equal(info.si_pid, getpid(), "from whom");
  }).join();
}

// Signals come while addresses are wrong.
void in_a_storm() {
  static std::atomic<bool> stop;
  stop.store(false);
  const handling handler(SIGALRM, [](int) { handled.fetch_add(1); });
  std::thread storm([] {
    while (!stop.load()) {
      kill(getpid(), SIGALRM);
      usleep(100);
    }
  });
  handled.store(0);
  const stopwatch watch;
  do {
    refuses("nanosleep", [](long bad) { return syscall(SYS_nanosleep, bad, nullptr); });
    refuses("writev", [](long bad) { return syscall(SYS_rt_sigtimedwait, bad, 0, 0, 8); });
    std::this_thread::yield();
  } while (watch.elapsed() < 200ms || handled.load() < 20);
  stop.store(true);
  storm.join();
}

const checks registered{
    {"times", times},
    {"sets_of_descriptors", sets_of_descriptors},
    {"vectors_and_messages", vectors_and_messages},
    {"signals", signals},
    {"futexes", futexes},
    {"processes", processes},
    {"whatever_the_disposition", whatever_the_disposition},
    {"in_a_storm", in_a_storm},
};

} // namespace
