// SPDX-License-Identifier: BSL-1.0
// Signals, and waiting for descriptors.
#include <netdb.h>
#include <poll.h>
#include <setjmp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <vector>

#include "tests/patch/sites/libc_fixture.hpp"

namespace weft::patch::testing {
namespace {

class libc_signals : public libc {};

TEST_P(libc_signals, signals) {
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

TEST_P(libc_signals, handler_on_its_own_stack_and_jump) {
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

TEST_P(libc_signals, sockets_and_polling) {
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

INSTANTIATE_TEST_SUITE_P(all, libc_signals, both_modes(), name_of_mode);

} // namespace
} // namespace weft::patch::testing
