// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

std::atomic<int> handled{0};
void note(int) {
  handled.fetch_add(1);
}

void raise_is_synchronous() {
  handled.store(0);
  const handling handler(SIGUSR1, note);
  std::vector<std::thread> threads;
  for (int t = 0; t < 5; ++t)
    threads.emplace_back([] {
      thread_local int own = 0;
      for (int i = 0; i < 5; ++i) {
        const int before = handled.load();
        expect_equal(raise(SIGUSR1), 0, "raise");
        expect(handled.load() > before, "the handler ran before raise returned");
        ++own;
      }
      expect_equal(own, 5, "own count");
    });
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(handled.load(), 25, "every signal was handled");
}

void handler_sees_its_threads_storage() {
  static thread_local int mine = 0;
  const handling handler(SIGUSR1, [](int) { ++mine; });
  std::vector<std::thread> threads;
  for (int t = 0; t < 5; ++t)
    threads.emplace_back([t] {
      mine = t * 10;
      errno = t;
      pthread_kill(pthread_self(), SIGUSR1);
      expect_equal(mine, t * 10 + 1, "thread_local in the handler");
      expect_equal(errno, t, "errno");
    });
  for (std::thread& thread : threads)
    thread.join();
}

void handler_may_write() {
  static int descriptor = -1;
  const pipe_pair pipe;
  descriptor = pipe.writer;
  const handling handler(
      SIGUSR1, [](int) { (void)!write(descriptor, "!", 1); }, SA_RESTART);
  std::thread sleeper([] { usleep(100'000); });
  pthread_kill(sleeper.native_handle(), SIGUSR1);
  char byte = 0;
  expect_equal(read(pipe.reader, &byte, 1), 1, "read");
  expect_equal(byte, '!', "written by the handler");
  sleeper.join();
}

void information_for_the_handler() {
  static std::atomic<int> sender{0};
  static std::atomic<int> code{0};
  struct sigaction action {};
  action.sa_sigaction = [](int, siginfo_t* info, void* context) {
    sender.store(info->si_pid);
    code.store(info->si_code);
    expect(context != nullptr, "a context");
  };
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGUSR1, &action, nullptr);
  std::thread([] { pthread_kill(pthread_self(), SIGUSR1); }).join();
  expect_equal(sender.load(), getpid(), "si_pid");
  expect_equal(code.load(), SI_TKILL, "si_code of pthread_kill");
  kill(getpid(), SIGUSR1);
  wait_until([] { return code.load() == SI_USER; }, "si_code of kill");
  signal(SIGUSR1, SIG_DFL);
}

void long_jump_out_of_a_handler() {
  static thread_local sigjmp_buf target;
  const handling handler(SIGUSR1, [](int) { siglongjmp(target, 7); });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      volatile int jumps = 0; // changed between sigsetjmp and siglongjmp
      if (sigsetjmp(target, 1) == 7) {
        jumps = jumps + 1;
        expect(!is_blocked(SIGUSR1), "the mask of sigsetjmp is back");
        usleep(500);
      }
      if (jumps < 3) {
        raise(SIGUSR1);
        fail("raise returned");
      }
      expect_equal(jumps + 0, 3, "jumps");
    });
  for (std::thread& thread : threads)
    thread.join();
}

void long_jump_out_of_a_blocking_call() {
  static thread_local sigjmp_buf target;
  static std::atomic<int> jumped{0};
  const handling handler(SIGUSR1, [](int) { siglongjmp(target, 1); });
  const pipe_pair pipe;
  std::atomic<bool> ready{false};
  std::thread reader([&] {
    if (sigsetjmp(target, 1) == 0) {
      ready.store(true);
      char byte = 0;
      (void)!read(pipe.reader, &byte, 1);
      fail("read returned");
    }
    jumped.store(1);
    usleep(2000); // blocks again, in another call
    char byte = 0;
    expect_equal(read(pipe.reader, &byte, 1), 1, "read after the jump");
    expect_equal(byte, 'z', "the byte");
  });
  wait_until([&] { return ready.load(); }, "the reader has set its target");
  let_others_block();
  pthread_kill(reader.native_handle(), SIGUSR1);
  wait_until([] { return jumped.load() == 1; }, "the handler jumped");
  expect_equal(write(pipe.writer, "z", 1), 1, "write");
  reader.join();
}

void alarm_and_pause() {
  handled.store(0);
  const handling handler(SIGALRM, note);
  const stopwatch watch;
  alarm(1);
  expect_errno(pause(), EINTR, "pause");
  watch.expect_between(900ms, 10s, "alarm");
  expect_equal(handled.load(), 1, "SIGALRM");
  alarm(100);
  expect(alarm(0) >= 90, "alarm tells the rest");
}

void interval_timer() {
  handled.store(0);
  const handling handler(SIGALRM, note, SA_RESTART);
  itimerval timer{};
  timer.it_value.tv_usec = 10'000;
  timer.it_interval.tv_usec = 10'000;
  expect_equal(setitimer(ITIMER_REAL, &timer, nullptr), 0, "setitimer");
  std::thread other([] { usleep(50'000); });
  wait_until([] { return handled.load() >= 5; }, "five expirations");
  timer = {};
  setitimer(ITIMER_REAL, &timer, nullptr);
  other.join();
}

void posix_timer_signals() {
  handled.store(0);
  const handling handler(SIGUSR1, note, SA_RESTART);
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  timer_t timer{};
  expect_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0, "timer_create");
  itimerspec times{};
  times.it_value.tv_nsec = 20'000'000;
  timer_settime(timer, 0, &times, nullptr);
  wait_until([] { return handled.load() == 1; }, "the timer's signal");
  timer_delete(timer);
}

void posix_timer_threads() {
  static std::atomic<int> called{0};
  called.store(0);
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_value.sival_int = 31;
  event.sigev_notify_function = [](sigval value) { called.store(value.sival_int); };
  timer_t timer{};
  expect_equal(timer_create(CLOCK_REALTIME, &event, &timer), 0, "timer_create");
  itimerspec times{};
  times.it_value.tv_nsec = 20'000'000;
  timer_settime(timer, 0, &times, nullptr);
  wait_until([] { return called.load() == 31; }, "the timer's thread");
  timer_delete(timer);
}

void fault_goes_to_its_thread() {
  static thread_local sigjmp_buf target;
  static thread_local void* faulted_at = nullptr;
  struct sigaction action {};
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    faulted_at = info->si_addr;
    siglongjmp(target, 1);
  };
  action.sa_flags = SA_SIGINFO;
  struct sigaction before {};
  sigaction(SIGSEGV, &action, &before);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      void* page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      for (int i = 0; i < 3; ++i) { // not changed between sigsetjmp and siglongjmp
        if (sigsetjmp(target, 1) == 0) {
          usleep(300);
          *static_cast<volatile char*>(page) = 1;
          fail("no fault");
        }
        expect(faulted_at == page, "the fault's address");
      }
      munmap(page, 4096);
    });
  for (std::thread& thread : threads)
    thread.join();
  sigaction(SIGSEGV, &before, nullptr);
}

void alternate_stack() {
  static std::atomic<int> on_it{0};
  struct sigaction action {};
  action.sa_handler = [](int) {
    stack_t now{};
    sigaltstack(nullptr, &now);
    const char here = 0;
    const char* low = static_cast<const char*>(now.ss_sp);
    if ((now.ss_flags & SS_ONSTACK) != 0 && &here > low && &here < low + now.ss_size)
      on_it.fetch_add(1);
  };
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGUSR1, &action, nullptr);
  on_it.store(0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      std::vector<char> memory(64 * 1024);
      stack_t wish{};
      wish.ss_sp = memory.data();
      wish.ss_size = memory.size();
      expect_equal(sigaltstack(&wish, nullptr), 0, "sigaltstack");
      usleep(1000);
      raise(SIGUSR1);
      stack_t now{};
      sigaltstack(nullptr, &now);
      expect(now.ss_sp == memory.data(), "each thread has its own alternate stack");
      wish.ss_flags = SS_DISABLE;
      sigaltstack(&wish, nullptr);
    });
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(on_it.load(), 4, "handlers that ran on the alternate stack");
  signal(SIGUSR1, SIG_DFL);
}

void handler_disposition_of_all_threads() {
  std::thread([] { signal(SIGUSR2, SIG_IGN); }).join();
  expect_equal(kill(getpid(), SIGUSR2), 0, "an ignored signal");
  std::thread([] { raise(SIGUSR2); }).join();
  struct sigaction now {};
  sigaction(SIGUSR2, nullptr, &now);
  expect(now.sa_handler == SIG_IGN, "dispositions belong to the process");
  signal(SIGUSR2, SIG_DFL);
}

void one_shot_handler() {
  handled.store(0);
  const handling handler(SIGUSR1, note, static_cast<int>(SA_RESETHAND));
  std::thread([] { raise(SIGUSR1); }).join();
  struct sigaction now {};
  sigaction(SIGUSR1, nullptr, &now);
  expect(handled.load() == 1 && now.sa_handler == SIG_DFL, "SA_RESETHAND");
}

// The file of the interrupted call was closed meanwhile: it is not what the handler's calls use.
void handler_has_calls_of_its_own() {
  static int output = -1;
  const pipe_pair pipe;
  output = pipe.writer;
  const handling handler(SIGUSR1, [](int) { (void)!write(output, "x", 1); });
  socket_pair pair;
  std::thread reader([fd = pair.left] {
    char byte = 0;
    expect_errno(recv(fd, &byte, 1, 0), EINTR, "recv");
  });
  let_others_block();
  close_once(pair.left);
  let_others_block();
  pthread_kill(reader.native_handle(), SIGUSR1);
  reader.join();
  char byte = 0;
  expect_equal(read(pipe.reader, &byte, 1), 1, "what the handler wrote");
}

#ifdef __x86_64__
// The kernel preserves all vector registers over a call, also one that a handler interrupts.
void vectors_outlast_a_handler() {
  static std::atomic<bool> has_state{false};
  struct sigaction action {};
  action.sa_flags = SA_SIGINFO;
  action.sa_sigaction = [](int, siginfo_t*, void* context) {
    has_state.store(static_cast<ucontext_t*>(context)->uc_mcontext.fpregs != nullptr);
    asm volatile("pcmpeqd %%xmm7, %%xmm7" ::: "xmm7");
  };
  sigaction(SIGUSR1, &action, nullptr);
  std::thread sleeper([] {
    long result = SYS_poll;
    long kept = 0;
    register long timeout asm("rdx") = -1;
    asm volatile("movq %[value], %%xmm7\n\tsyscall\n\tmovq %%xmm7, %[kept]"
                 : "+a"(result), [kept] "=r"(kept)
                 : [value] "r"(1234L), "D"(0L), "S"(0L), "r"(timeout)
                 : "rcx", "r11", "xmm7", "memory");
    expect_equal(result, -EINTR, "poll");
    expect_equal(kept, 1234, "the register");
  });
  let_others_block();
  pthread_kill(sleeper.native_handle(), SIGUSR1);
  sleeper.join();
  signal(SIGUSR1, SIG_DFL);
  expect(has_state.load(), "the context has floating-point state");
}
#else
void vectors_outlast_a_handler() {}
#endif

// Handlers that wait on their threads' own stacks, while others run on theirs.
void alternate_stacks_of_many() {
  static std::atomic<bool> intact{true};
  const handling handler(
      SIGUSR1,
      [](int) {
        volatile char filled[9000];
        for (std::size_t i = 0; i < sizeof filled; ++i)
          filled[i] = static_cast<char>(i);
        usleep(5000);
        for (std::size_t i = 0; i < sizeof filled; ++i)
          if (filled[i] != static_cast<char>(i)) intact.store(false);
      },
      SA_ONSTACK);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      constexpr std::size_t size = 65'536;
      void* memory =
          mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      stack_t stack{memory, 0, size};
      expect_equal(sigaltstack(&stack, nullptr), 0, "sigaltstack");
      for (int i = 0; i < 5; ++i) {
        kill(getpid(), SIGUSR1);
        raise(SIGUSR1);
      }
      stack.ss_flags = SS_DISABLE;
      expect_equal(sigaltstack(&stack, nullptr), 0, "sigaltstack");
      munmap(memory, size);
    });
  for (std::thread& thread : threads)
    thread.join();
  kill(getpid(), SIGUSR1); // the stacks are gone
  expect(intact.load(), "no handler's stack was used by another");
}

// A timer that fires while nobody waits for it yet.
void posix_timer_threads_while_computing() {
  static std::atomic<int> fired{0};
  std::thread([] {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD;
    event.sigev_notify_function = [](sigval) { fired.fetch_add(1); };
    timer_t timer{};
    expect_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0, "timer_create");
    const itimerspec often{{0, 1'000'000}, {0, 1'000'000}};
    expect_equal(timer_settime(timer, 0, &often, nullptr), 0, "timer_settime");
    for (const stopwatch watch; watch.elapsed() < 200ms;) {
    }
    wait_until([] { return fired.load() > 5; }, "the timer fires");
    timer_delete(timer);
  }).join();
}

const checks registered{
    {"raise_is_synchronous", raise_is_synchronous},
    {"handler_sees_its_threads_storage", handler_sees_its_threads_storage},
    {"handler_may_write", handler_may_write},
    {"information_for_the_handler", information_for_the_handler},
    {"long_jump_out_of_a_handler", long_jump_out_of_a_handler},
    {"long_jump_out_of_a_blocking_call", long_jump_out_of_a_blocking_call},
    {"alarm_and_pause", alarm_and_pause},
    {"interval_timer", interval_timer},
    {"posix_timer_signals", posix_timer_signals},
    {"posix_timer_threads", posix_timer_threads},
    {"fault_goes_to_its_thread", fault_goes_to_its_thread},
    {"alternate_stack", alternate_stack},
    {"handler_disposition_of_all_threads", handler_disposition_of_all_threads},
    {"one_shot_handler", one_shot_handler},
    {"handler_has_calls_of_its_own", handler_has_calls_of_its_own},
    {"vectors_outlast_a_handler", vectors_outlast_a_handler},
    {"alternate_stacks_of_many", alternate_stacks_of_many},
    {"posix_timer_threads_while_computing", posix_timer_threads_while_computing},
};

} // namespace
