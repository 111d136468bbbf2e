// SPDX-License-Identifier: BSL-1.0
// Calls that block in the kernel, and that only the kernel can end: the other threads go on, and
// signals and cancellation find the one that waits.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <string>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

// A file of its own, gone at the end.
class scratch_file {
 public:
  scratch_file() : descriptor(mkstemp(path_)) {}
  ~scratch_file() {
    close(descriptor);
    unlink(path_);
  }
  scratch_file(const scratch_file&) = delete;
  scratch_file& operator=(const scratch_file&) = delete;
  [[nodiscard]] int open_again() const { return open(path_, O_RDWR | O_CLOEXEC); }
  [[nodiscard]] const char* path() const { return path_; }

 private:
  char path_[32] = "/tmp/weft-blocking-XXXXXX";

 public:
  const int descriptor;
};

// Whether other threads make progress for a while.
void expect_others_run() {
  int turns = 0;
  std::thread([&] {
    for (; turns < 20; ++turns)
      usleep(500);
  }).join();
  expect_equal(turns, 20, "turns of another thread");
}

// `block` stays in the kernel until `release` is called.
template <class Block, class Release>
void others_run_during(Block&& block, Release&& release) {
  std::atomic<bool> over{false};
  std::thread stuck([&] {
    block();
    over = true;
  });
  usleep(2000);
  expect_others_run();
  expect(!over, "it blocks");
  release();
  stuck.join();
}

void flock_of_a_file() {
  scratch_file file;
  flock(file.descriptor, LOCK_EX);
  others_run_during(
      [&] {
        const int other = file.open_again();
        expect_equal(flock(other, LOCK_EX), 0, "flock");
        close(other);
      },
      [&] { flock(file.descriptor, LOCK_UN); });
}

void posix_lock_of_another_process() {
  scratch_file file;
  pipe_pair locked, done;
  const pid_t owner = fork();
  if (owner == 0) {
    char byte = 'l';
    (void)!lockf(file.descriptor, F_LOCK, 0);
    (void)!write(locked.writer, &byte, 1);
    (void)!read(done.reader, &byte, 1);
    _exit(0);
  }
  char byte = 'd';
  expect_equal(read(locked.reader, &byte, 1), 1, "read");
  others_run_during(
      [&] {
        struct flock whole {};
        whole.l_type = F_WRLCK;
        expect_equal(fcntl(file.descriptor, F_SETLKW, &whole), 0, "F_SETLKW");
      },
      [&] { expect_equal(write(done.writer, &byte, 1), 1, "write"); });
  waitpid(owner, nullptr, 0);
}

void opening_a_fifo() {
  scratch_file file;
  const std::string path = std::string(file.path()) + ".fifo";
  expect_equal(mkfifo(path.c_str(), 0600), 0, "mkfifo");
  others_run_during(
      [&] {
        const int reader = open(path.c_str(), O_RDONLY);
        expect(reader >= 0, "open");
        char byte = 0;
        expect_equal(read(reader, &byte, 1), 1, "read");
        close(reader);
      },
      [&] {
        const int writer = open(path.c_str(), O_WRONLY);
        expect_equal(write(writer, "x", 1), 1, "write");
        close(writer);
      });
  unlink(path.c_str());
}

void system_v_semaphore() {
  const int set = semget(IPC_PRIVATE, 1, 0600);
  sembuf take{0, -1, 0}, give{0, 1, 0};
  others_run_during([&] { expect_equal(semop(set, &take, 1), 0, "semop"); },
                    [&] { expect_equal(semop(set, &give, 1), 0, "semop"); });
  semctl(set, 0, IPC_RMID);
}

void system_v_message_queue() {
  struct message {
    long type;
    char text[8];
  };
  const int queue = msgget(IPC_PRIVATE, 0600);
  others_run_during(
      [&] {
        message got{};
        expect_equal(msgrcv(queue, &got, sizeof got.text, 0, 0), 8, "msgrcv");
      },
      [&] {
        const message sent{1, "message"};
        expect_equal(msgsnd(queue, &sent, sizeof sent.text, 0), 0, "msgsnd");
      });
  msgctl(queue, IPC_RMID, nullptr);
}

void posix_message_queue() {
  const std::string name = "/weft-blocking-" + std::to_string(getpid());
  mq_attr attributes{};
  attributes.mq_maxmsg = 1;
  attributes.mq_msgsize = 8;
  const mqd_t queue = mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
  if (queue == -1) return; // not everywhere
  mq_unlink(name.c_str());
  others_run_during(
      [&] {
        char got[8];
        expect_equal(mq_receive(queue, got, sizeof got, nullptr), 3, "mq_receive");
      },
      [&] { expect_equal(mq_send(queue, "abc", 3, 0), 0, "mq_send"); });
  mq_close(queue);
}

// Several at once, each on a kernel thread of its own while it lasts.
void many_at_once() {
  scratch_file file;
  flock(file.descriptor, LOCK_EX);
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i)
    threads.emplace_back([&] {
      const int other = file.open_again();
      expect_equal(flock(other, LOCK_EX), 0, "flock");
      usleep(100);
      ++done;
      close(other);
    });
  usleep(5000);
  expect_others_run();
  expect_equal(done.load(), 0, "threads that got the lock");
  flock(file.descriptor, LOCK_UN);
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(done.load(), 20, "threads that got the lock");
}

// The main thread itself waits, and others carry on.
void main_thread_waits() {
  const int set = semget(IPC_PRIVATE, 1, 0600);
  std::thread other([&] {
    for (int i = 0; i < 20; ++i)
      usleep(500);
    sembuf give{0, 1, 0};
    semop(set, &give, 1);
  });
  sembuf take{0, -1, 0};
  expect_equal(semop(set, &take, 1), 0, "semop");
  expect_equal(getpid(), gettid(), "the main thread's tid");
  other.join();
  semctl(set, 0, IPC_RMID);
}

std::atomic<int> handled{0};
std::atomic<pid_t> handled_by{0};
void count(int) {
  handled_by = gettid(); // first: who sees the count looks at it
  ++handled;
}

void catch_signal(int signal, int flags) {
  struct sigaction action {};
  action.sa_handler = count;
  action.sa_flags = flags;
  sigaction(signal, &action, nullptr);
}

// A signal for the thread that waits; `ends` tells whether its call ends by it.
void signal_for_a_stuck_thread(int flags, bool ends) {
  scratch_file file;
  catch_signal(SIGUSR1, flags);
  handled = 0;
  flock(file.descriptor, LOCK_EX);
  std::atomic<pid_t> tid{0};
  std::thread stuck([&] {
    tid = gettid();
    const int other = file.open_again();
    const int result = flock(other, LOCK_EX);
    if (ends)
      expect_errno(result, EINTR, "flock");
    else
      expect_equal(result, 0, "flock");
    close(other);
  });
  usleep(20'000);
  pthread_kill(stuck.native_handle(), SIGUSR1);
  wait_until([] { return handled == 1; }, "the handler runs");
  expect_equal(handled_by.load(), tid.load(), "the thread that handled");
  if (!ends) {
    usleep(5000);
    flock(file.descriptor, LOCK_UN);
  }
  stuck.join();
}
void signal_ends_a_call() {
  signal_for_a_stuck_thread(0, true);
}
void signal_restarts_a_call() {
  signal_for_a_stuck_thread(SA_RESTART, false);
}

// semop is never restarted, says signal(7).
void signal_ends_semop_in_spite_of_restart() {
  catch_signal(SIGUSR1, SA_RESTART);
  handled = 0;
  const int set = semget(IPC_PRIVATE, 1, 0600);
  std::thread stuck([&] {
    sembuf take{0, -1, 0};
    expect_errno(semop(set, &take, 1), EINTR, "semop");
  });
  usleep(20'000);
  pthread_kill(stuck.native_handle(), SIGUSR1);
  stuck.join();
  expect_equal(handled.load(), 1, "signals handled");
  semctl(set, 0, IPC_RMID);
}

// What is sent to the process goes to the main thread, and leaves the one that waits alone.
void signal_for_the_process() {
  catch_signal(SIGUSR2, 0);
  handled = 0;
  const int set = semget(IPC_PRIVATE, 1, 0600);
  std::thread stuck([&] {
    sembuf take{0, -1, 0};
    expect_equal(semop(set, &take, 1), 0, "semop");
  });
  usleep(20'000);
  for (int i = 1; i <= 10; ++i) {
    kill(getpid(), SIGUSR2);
    wait_until([i] { return handled == i; }, "the handler runs");
  }
  expect_equal(handled_by.load(), getpid(), "the thread that handled");
  sembuf give{0, 1, 0};
  semop(set, &give, 1);
  stuck.join();
  semctl(set, 0, IPC_RMID);
}

// More often than anybody looks whether the main thread is stuck, which is where they go.
void signals_in_quick_succession() {
  handled = 0;
  catch_signal(SIGALRM, SA_RESTART);
  scratch_file file;
  flock(file.descriptor, LOCK_EX);
  std::atomic<int> turns{0};
  std::thread other([&] {
    while (turns < 250) {
      usleep(500);
      ++turns;
    }
    flock(file.descriptor, LOCK_UN);
  });
  const itimerval often{{0, 300}, {0, 300}};
  setitimer(ITIMER_REAL, &often, nullptr);
  const stopwatch watch;
  const int own = file.open_again();
  expect_equal(flock(own, LOCK_EX), 0, "flock");
  watch.expect_between(0ms, 10s, "the other thread's turns");
  const itimerval none{};
  setitimer(ITIMER_REAL, &none, nullptr);
  expect_equal(turns.load(), 250, "turns of another thread");
  expect(handled.load() > 10, "signals that came meanwhile");
  other.join();
  close(own);
}

void cancellation_of_a_stuck_thread() {
  const int queue = msgget(IPC_PRIVATE, 0600);
  static std::atomic<bool> cleaned{false};
  cleaned = false;
  std::thread stuck([&] {
    pthread_cleanup_push([](void*) { cleaned = true; }, nullptr);
    char buffer[64];
    msgrcv(queue, buffer, 8, 0, 0);
    fail("msgrcv returned");
    pthread_cleanup_pop(0);
  });
  usleep(20'000);
  pthread_cancel(stuck.native_handle());
  stuck.join();
  expect(cleaned, "the cleanup handler ran");
  msgctl(queue, IPC_RMID, nullptr);
}

// A child of a process whose other threads are in the kernel.
void fork_beside_stuck_threads() {
  const int set = semget(IPC_PRIVATE, 1, 0600);
  std::vector<std::thread> stuck;
  for (int i = 0; i < 3; ++i)
    stuck.emplace_back([&] {
      sembuf take{0, -1, 0};
      expect_equal(semop(set, &take, 1), 0, "semop");
    });
  usleep(20'000);
  std::thread([&] {
    const pid_t child = fork();
    if (child == 0) {
      int sum = 0;
      std::thread a([&] { usleep(1000), sum += 1; });
      a.join();
      std::thread b([&] { usleep(1000), sum += 2; });
      b.join();
      _exit(sum);
    }
    int status = 0;
    expect_equal(waitpid(child, &status, 0), child, "waitpid");
    expect_equal(WEXITSTATUS(status), 3, "the child's sum");
  }).join();
  sembuf give{0, 3, 0};
  semop(set, &give, 1);
  for (std::thread& thread : stuck)
    thread.join();
  semctl(set, 0, IPC_RMID);
}

const checks registered{
    {"flock_of_a_file", flock_of_a_file},
    {"posix_lock_of_another_process", posix_lock_of_another_process},
    {"opening_a_fifo", opening_a_fifo},
    {"system_v_semaphore", system_v_semaphore},
    {"system_v_message_queue", system_v_message_queue},
    {"posix_message_queue", posix_message_queue},
    {"many_at_once", many_at_once},
    {"main_thread_waits", main_thread_waits},
    {"signal_ends_a_call", signal_ends_a_call},
    {"signal_restarts_a_call", signal_restarts_a_call},
    {"signal_ends_semop_in_spite_of_restart", signal_ends_semop_in_spite_of_restart},
    {"signal_for_the_process", signal_for_the_process},
    {"signals_in_quick_succession", signals_in_quick_succession},
    {"cancellation_of_a_stuck_thread", cancellation_of_a_stuck_thread},
    {"fork_beside_stuck_threads", fork_beside_stuck_threads},
};

} // namespace
