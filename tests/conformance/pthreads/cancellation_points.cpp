// SPDX-License-Identifier: BSL-1.0
//
// Every cancellation point of POSIX's list that can block, in a table: cancelled while it blocks,
// before it is called, and asynchronously.
#include "tests/conformance/check.hpp"
#include "tests/conformance/deadline.hpp"
#include "tests/conformance/descriptors.hpp"
#include "tests/conformance/pthreads/cancelling.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <string>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

namespace {

using namespace conformance;

constexpr timespec minute{60, 0};

sigset_t one_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  return set;
}

// What the calls below block on; made once for each.
struct stage {
  pipe_pair pipe;
  socket_pair sockets;
  char byte = 0;
  iovec vector{&byte, 1};
  std::string much = std::string(4 << 20, 'x');
};

struct point {
  const char* name;
  void (*call)(stage&);
};

const point descriptor_points[] = {
    {"readv", [](stage& s) { (void)!readv(s.pipe.reader, &s.vector, 1); }},
    {"write", [](stage& s) { (void)!write(s.pipe.writer, s.much.data(), s.much.size()); }},
    {"writev",
     [](stage& s) {
       const iovec all{s.much.data(), s.much.size()};
       (void)!writev(s.pipe.writer, &all, 1);
     }},
    {"send", [](stage& s) { send(s.sockets.left, s.much.data(), s.much.size(), 0); }},
    {"sendto",
     [](stage& s) { sendto(s.sockets.left, s.much.data(), s.much.size(), 0, nullptr, 0); }},
    {"sendmsg",
     [](stage& s) {
       iovec all{s.much.data(), s.much.size()};
       msghdr message{};
       message.msg_iov = &all;
       message.msg_iovlen = 1;
       sendmsg(s.sockets.left, &message, 0);
     }},
    {"recvfrom", [](stage& s) { recvfrom(s.sockets.left, &s.byte, 1, 0, nullptr, nullptr); }},
    {"recvmmsg",
     [](stage& s) {
       mmsghdr message{};
       message.msg_hdr.msg_iov = &s.vector;
       message.msg_hdr.msg_iovlen = 1;
       recvmmsg(s.sockets.left, &message, 1, 0, nullptr);
     }},
    {"splice",
     [](stage& s) { (void)!splice(s.sockets.left, nullptr, s.pipe.writer, nullptr, 1, 0); }},
    {"fgetc",
     [](stage& s) {
       struct guard {
         FILE* file;
         ~guard() { fclose(file); }
       } stream{fdopen(dup(s.pipe.reader), "r")};
       fgetc(stream.file);
     }},
    {"ppoll",
     [](stage& s) {
       pollfd entry{s.pipe.reader, POLLIN, 0};
       ppoll(&entry, 1, &minute, nullptr);
     }},
    {"pselect",
     [](stage& s) {
       fd_set set;
       FD_ZERO(&set);
       FD_SET(s.pipe.reader, &set);
       pselect(s.pipe.reader + 1, &set, nullptr, nullptr, &minute, nullptr);
     }},
    {"epoll_pwait",
     [](stage&) {
       struct guard {
         int fd = epoll_create1(EPOLL_CLOEXEC);
         ~guard() { close(fd); }
       } poller;
       epoll_event event{};
       epoll_pwait(poller.fd, &event, 1, 60'000, nullptr);
     }},
};

const point waiting_points[] = {
    {"sigsuspend",
     [](stage&) {
       sigset_t none;
       sigemptyset(&none);
       sigsuspend(&none);
     }},
    {"sigwait",
     [](stage&) {
       const sigset_t set = one_signal();
       int number;
       sigwait(&set, &number);
     }},
    {"sigwaitinfo",
     [](stage&) {
       const sigset_t set = one_signal();
       sigwaitinfo(&set, nullptr);
     }},
    {"sigtimedwait",
     [](stage&) {
       const sigset_t set = one_signal();
       sigtimedwait(&set, nullptr, &minute);
     }},
    {"pause", [](stage&) { pause(); }},
    {"sem_clockwait",
     [](stage&) {
       sem_t semaphore;
       sem_init(&semaphore, 0, 0);
       const timespec until = deadline(CLOCK_MONOTONIC, 60s);
       sem_clockwait(&semaphore, CLOCK_MONOTONIC, &until);
     }},
    {"thrd_sleep", [](stage&) { thrd_sleep(&minute, nullptr); }},
    {"pthread_cond_wait",
     [](stage&) {
       static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
       static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
       struct guard {
         guard() { pthread_mutex_lock(&mutex); }
         ~guard() { expect_equal(pthread_mutex_unlock(&mutex), 0, "the mutex is held again"); }
       } lock;
       for (;;)
         pthread_cond_wait(&condition, &mutex);
     }},
};

const point kernel_points[] = {
    {"waitid",
     [](stage&) {
       struct child {
         pid_t pid = fork();
         ~child() {
           kill(pid, SIGKILL);
           waitpid(pid, nullptr, 0);
         }
       } one;
       if (one.pid == 0) {
         pause();
         _exit(0);
       }
       siginfo_t info;
       waitid(P_PID, static_cast<id_t>(one.pid), &info, WEXITED);
     }},
    {"open of a FIFO",
     [](stage&) {
       const std::string name = "/tmp/weft-cancel-" + std::to_string(getpid());
       struct fifo {
         const char* path;
         explicit fifo(const char* p) : path(p) { mkfifo(p, 0600); }
         ~fifo() { unlink(path); }
       } made(name.c_str());
       close(open(made.path, O_RDONLY));
     }},
    {"fcntl(F_SETLKW)",
     [](stage& s) {
       const std::string name = "/tmp/weft-lock-" + std::to_string(getpid());
       struct locked {
         int ours, theirs;
         explicit locked(const char* p)
             : ours(open(p, O_RDWR | O_CREAT, 0600)), theirs(open(p, O_RDWR)) {
           unlink(p);
           struct flock whole {};
           whole.l_type = F_WRLCK;
           fcntl(theirs, F_OFD_SETLK, &whole);
         }
         ~locked() {
           close(ours);
           close(theirs);
         }
       } file(name.c_str());
       (void)s;
       struct flock whole {};
       whole.l_type = F_WRLCK;
       fcntl(file.ours, F_OFD_SETLKW, &whole);
     }},
    {"msgrcv",
     [](stage&) {
       struct queue {
         int id = msgget(IPC_PRIVATE, 0600);
         ~queue() { msgctl(id, IPC_RMID, nullptr); }
       } messages;
       struct {
         long type;
         char text[8];
       } message;
       msgrcv(messages.id, &message, sizeof message.text, 0, 0);
     }},
    {"mq_receive",
     [](stage&) {
       const std::string name = "/weft-" + std::to_string(getpid());
       mq_attr attributes{};
       attributes.mq_maxmsg = 1;
       attributes.mq_msgsize = 8;
       struct queue {
         mqd_t id;
         ~queue() { mq_close(id); }
       } messages{mq_open(name.c_str(), O_RDWR | O_CREAT, 0600, &attributes)};
       mq_unlink(name.c_str());
       char text[8];
       mq_receive(messages.id, text, sizeof text, nullptr);
     }},
};

template <std::size_t Count>
void try_all(const point (&points)[Count], cancelled_when when) {
  sigset_t set = one_signal(), before;
  pthread_sigmask(SIG_BLOCK, &set, &before);
  for (const point& each : points) {
    stage s;
    cancels(
        each.name, [&] { each.call(s); }, when);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void cancel_in_calls_on_descriptors() {
  try_all(descriptor_points, cancelled_when::blocked);
}
void cancel_before_calls_on_descriptors() {
  try_all(descriptor_points, cancelled_when::before);
}
void cancel_calls_on_descriptors_asynchronously() {
  try_all(descriptor_points, cancelled_when::asynchronously);
}
void cancel_in_waits() {
  try_all(waiting_points, cancelled_when::blocked);
}
void cancel_before_waits() {
  try_all(waiting_points, cancelled_when::before);
}
void cancel_waits_asynchronously() {
  for (const point& each : waiting_points) {
    if (std::string(each.name) == "pthread_cond_wait") continue; // not async-cancel-safe
    stage s;
    cancels(
        each.name, [&] { each.call(s); }, cancelled_when::asynchronously);
  }
}
void cancel_in_calls_of_the_kernels() {
  try_all(kernel_points, cancelled_when::blocked);
}

// Asynchronously, in a loop without any call.
void cancel_a_computing_thread() {
  static std::atomic<bool> computes{false};
  pthread_t thread{};
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
        computes.store(true);
        for (;;)
          asm volatile("");
      },
      nullptr);
  wait_until([] { return computes.load(); }, "it computes");
  expect_equal(pthread_cancel(thread), 0, "pthread_cancel");
  void* result = nullptr;
  pthread_join(thread, &result);
  expect(result == PTHREAD_CANCELED, "cancelled");
}

const checks all{
    {"cancel_in_calls_on_descriptors", cancel_in_calls_on_descriptors},
    {"cancel_before_calls_on_descriptors", cancel_before_calls_on_descriptors},
    {"cancel_calls_on_descriptors_asynchronously", cancel_calls_on_descriptors_asynchronously},
    {"cancel_in_waits", cancel_in_waits},
    {"cancel_before_waits", cancel_before_waits},
    {"cancel_waits_asynchronously", cancel_waits_asynchronously},
    {"cancel_in_calls_of_the_kernels", cancel_in_calls_of_the_kernels},
    {"cancel_a_computing_thread", cancel_a_computing_thread},
};

} // namespace
