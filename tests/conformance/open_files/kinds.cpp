// SPDX-License-Identifier: BSL-1.0
// Descriptors of the kinds that are neither sockets nor pipes nor files.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"
#include "tests/conformance/processes/child.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <vector>

namespace {

using namespace conformance;

void inotify_waits() {
  char name[] = "/tmp/weft-conformance-XXXXXX";
  expect(mkdtemp(name) != nullptr, "mkdtemp");
  const int watcher = inotify_init1(IN_CLOEXEC);
  expect(inotify_add_watch(watcher, name, IN_CREATE) >= 0, "inotify_add_watch");
  std::thread reader([watcher] {
    for (const char* expected : {"first", "second"}) {
      alignas(inotify_event) char buffer[sizeof(inotify_event) + 256];
      const ssize_t n = read(watcher, buffer, sizeof buffer);
      expect(n > static_cast<ssize_t>(sizeof(inotify_event)), "read");
      expect_equal(std::string(buffer + sizeof(inotify_event)), expected, "the name");
    }
  });
  for (const char* file : {"/first", "/second"}) {
    let_others_block();
    const std::string path = std::string(name) + file;
    const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
  }
  reader.join();
  for (const char* file : {"/first", "/second", ""})
    remove((std::string(name) + file).c_str());
  close(watcher);
}

void process_descriptor() {
  const pipe_pair gate;
  const pid_t child = in_child([&] {
    char c = 0;
    return read(gate.reader, &c, 1) == 1 ? 7 : 1;
  });
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  expect(fd >= 0, "pidfd_open");
  std::thread waiter([fd] {
    pollfd entry{fd, POLLIN, 0};
    expect_equal(poll(&entry, 1, 20'000), 1, "poll");
    siginfo_t info{};
    expect_equal(waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(fd), &info, WEXITED), 0,
                 "waitid");
    expect_equal(info.si_status, 7, "its status");
    char byte = 0;
    expect_errno(read(fd, &byte, 1), EINVAL, "it can't be read");
  });
  let_others_block();
  expect_equal(write(gate.writer, "x", 1), 1, "write");
  waiter.join();
  close(fd);
}

void signal_descriptor() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &set, &before); // all threads made from here on block it
  const int fd = signalfd(-1, &set, SFD_CLOEXEC);
  std::thread reader([fd] {
    signalfd_siginfo info{};
    expect_equal(read(fd, &info, sizeof info), static_cast<ssize_t>(sizeof info), "read");
    expect_equal(info.ssi_signo, static_cast<unsigned>(SIGUSR1), "sent to the process");
  });
  let_others_block();
  kill(getpid(), SIGUSR1);
  reader.join();
  std::thread([fd] {
    raise(SIGUSR2);
    pollfd entry{fd, POLLIN, 0};
    expect_equal(poll(&entry, 1, 20'000), 1, "poll after raise");
    signalfd_siginfo info{};
    expect_equal(read(fd, &info, sizeof info), static_cast<ssize_t>(sizeof info), "read");
    expect_equal(info.ssi_signo, static_cast<unsigned>(SIGUSR2), "sent to this thread");
  }).join();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  close(fd);
}

void event_counters_of_many() {
  // A ring of threads that pass a token round.
  constexpr int members = 20;
  std::vector<int> fds;
  for (int i = 0; i < members; ++i)
    fds.push_back(eventfd(0, EFD_CLOEXEC));
  std::vector<std::thread> threads;
  for (int i = 0; i < members; ++i)
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) {
        eventfd_t value = 0;
        expect_equal(eventfd_read(fds[static_cast<std::size_t>(i)], &value), 0, "read");
        const int next = (i + 1) % members;
        if (round != 19 || next != 0) eventfd_write(fds[static_cast<std::size_t>(next)], value);
      }
    });
  eventfd_write(fds[0], 1);
  for (std::thread& thread : threads)
    thread.join();
  for (const int fd : fds)
    close(fd);
}

void timers_of_many() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i)
    threads.emplace_back([i] {
      const int fd = timerfd_create(i % 2 == 0 ? CLOCK_MONOTONIC : CLOCK_REALTIME, TFD_CLOEXEC);
      itimerspec times{};
      times.it_value.tv_nsec = (20 + i) * 1'000'000;
      const stopwatch watch;
      timerfd_settime(fd, 0, &times, nullptr);
      std::uint64_t count = 0;
      expect_equal(read(fd, &count, sizeof count), 8, "read");
      watch.expect_between(std::chrono::milliseconds(19 + i), 10s, "expiration");
      times.it_value.tv_nsec = 0;
      timerfd_settime(fd, 0, &times, nullptr);
      pollfd entry{fd, POLLIN, 0};
      expect_equal(poll(&entry, 1, 20), 0, "a disarmed timer");
      close(fd);
    });
  for (std::thread& thread : threads)
    thread.join();
}

void credentials_in_messages() {
  const socket_pair pair;
  int on = 1;
  setsockopt(pair.right, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  std::thread receiver([&] {
    for (int i = 0; i < 2; ++i) {
      char byte = 0;
      alignas(cmsghdr) char control[256] = {};
      iovec room{&byte, 1};
      msghdr message{};
      message.msg_iov = &room;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      expect_equal(recvmsg(pair.right, &message, 0), 1, "recvmsg");
      const cmsghdr* header = CMSG_FIRSTHDR(&message);
      if (header == nullptr || header->cmsg_type != SCM_CREDENTIALS) return fail("no credentials");
      ucred who{};
      std::memcpy(&who, CMSG_DATA(header), sizeof who);
      expect_equal(who.pid, getpid(), "the process");
      expect_equal(who.uid, getuid(), "the user");
    }
  });
  let_others_block();
  expect_equal(send(pair.left, "x", 1, 0), 1, "send");
  let_others_block();
  ucred mine{getpid(), getuid(), getgid()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof mine)] = {};
  iovec part{const_cast<char*>("y"), 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_CREDENTIALS;
  header->cmsg_len = CMSG_LEN(sizeof mine);
  std::memcpy(CMSG_DATA(header), &mine, sizeof mine);
  expect_equal(sendmsg(pair.left, &message, 0), 1, "sendmsg with credentials");
  receiver.join();
}

// Nobody tells a sender that is not connected when there is room at the other end.
void datagrams_to_a_full_receiver() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "weft-conformance-dgram-" + std::to_string(getpid());
  name.copy(address.sun_path + 1, name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const int receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  expect_equal(bind(receiver, reinterpret_cast<sockaddr*>(&address), length), 0, "bind");
  for (const bool connected : {false, true}) {
    std::thread sender([&] {
      const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      if (connected) connect(fd, reinterpret_cast<sockaddr*>(&address), length);
      for (int i = 0; i < 300; ++i) {
        const ssize_t n =
            connected ? send(fd, &i, sizeof i, 0)
                      : sendto(fd, &i, sizeof i, 0, reinterpret_cast<sockaddr*>(&address), length);
        expect_equal(n, 4, "a datagram");
      }
      close(fd);
    });
    let_others_block();
    for (int i = 0; i < 300; ++i) {
      int value = -1;
      expect_equal(recv(receiver, &value, sizeof value, 0), 4, "recv");
      expect_equal(value, i, "in order");
    }
    sender.join();
  }
  close(receiver);
}

void many_messages_in_one_call() {
  const socket_pair pair(SOCK_DGRAM | SOCK_CLOEXEC);
  std::thread receiver([&] {
    char rooms[6][16] = {};
    iovec parts[6];
    mmsghdr messages[6] = {};
    for (int i = 0; i < 6; ++i) {
      parts[i] = {rooms[i], 16};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    expect_equal(recvmmsg(pair.right, messages, 6, 0, nullptr), 6, "all six, waiting for each");
    expect_equal(std::string(rooms[5], messages[5].msg_len), "six", "the last");
    expect_equal(recvmmsg(pair.right, messages, 6, MSG_WAITFORONE, nullptr), 1, "MSG_WAITFORONE");
    timespec limit{0, 50'000'000};
    expect_equal(recvmmsg(pair.right, messages, 6, 0, &limit), 1, "the limit is seen after one");
  });
  const char* texts[] = {"one", "two", "three", "four", "five", "six"};
  iovec parts[6];
  mmsghdr messages[6] = {};
  for (int i = 0; i < 6; ++i) {
    parts[i] = {const_cast<char*>(texts[i]), std::strlen(texts[i])};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  let_others_block();
  expect_equal(sendmmsg(pair.left, messages, 4, 0), 4, "sendmmsg");
  let_others_block();
  expect_equal(sendmmsg(pair.left, messages + 4, 2, 0), 2, "sendmmsg");
  std::this_thread::sleep_for(100ms);
  expect_equal(send(pair.left, "x", 1, 0), 1, "send");
  std::this_thread::sleep_for(200ms);
  expect_equal(send(pair.left, "y", 1, 0), 1, "send");
  receiver.join();
}

void memory_devices() {
  std::thread([] {
    char buffer[64];
    const int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
    expect_equal(read(zero, buffer, sizeof buffer), 64, "/dev/zero");
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    expect_equal(read(null, buffer, sizeof buffer), 0, "/dev/null");
    expect_equal(write(null, buffer, sizeof buffer), 64, "/dev/null");
    const int full = open("/dev/full", O_RDWR | O_CLOEXEC);
    expect_errno(write(full, buffer, sizeof buffer), ENOSPC, "/dev/full");
    const int random = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    expect_equal(read(random, buffer, sizeof buffer), 64, "/dev/urandom");
    for (const int fd : {zero, null, full, random})
      close(fd);
  }).join();
}

const checks registered{
    {"inotify_waits", inotify_waits},
    {"process_descriptor", process_descriptor},
    {"signal_descriptor", signal_descriptor},
    {"event_counters_of_many", event_counters_of_many},
    {"timers_of_many", timers_of_many},
    {"credentials_in_messages", credentials_in_messages},
    {"datagrams_to_a_full_receiver", datagrams_to_a_full_receiver},
    {"many_messages_in_one_call", many_messages_in_one_call},
    {"memory_devices", memory_devices},
};

} // namespace
