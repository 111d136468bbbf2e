// SPDX-License-Identifier: BSL-1.0
// The ways in which a process with threads ends. Each check ends the process, and says before how;
// compare.py --each runs them one by one and holds the native end against that.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include <semaphore.h>
#include <stdexcept>
#include <sys/resource.h>
#include <unistd.h>

namespace {

using namespace conformance;

void say(const char* text) {
  std::puts(text);
  std::fflush(stdout);
}

void ends_by(const char* how) {
  std::printf("ends by: %s\n", how);
  std::fflush(stdout);
}

// Threads of every kind that are still there when the process ends.
void leave_threads_running() {
  static const auto& pipe = *new pipe_pair; // outlives the destructors of statics
  static sem_t never;
  sem_init(&never, 0, 0);
  static sem_t begun;
  sem_init(&begun, 0, 0);
  std::thread([] {
    sem_post(&begun);
    char byte = 0;
    (void)!read(pipe.reader, &byte, 1);
    say("a reader returned");
  }).detach();
  std::thread([] {
    sem_post(&begun);
    sem_wait(&never);
    say("a waiter returned");
  }).detach();
  std::thread([] {
    sem_post(&begun);
    sleep(60);
    say("a sleeper returned");
  }).detach();
  for (int i = 0; i < 3; ++i)
    sem_wait(&begun);
  let_others_block();
}

// No core files, whatever the machine's settings.
void without_core() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

void register_at_exit() {
  std::atexit([] { say("at exit"); });
}

[[noreturn]] void sleep_forever() {
  for (;;)
    pause();
}

void exit_in_the_first_thread() {
  ends_by("exit status 3");
  leave_threads_running();
  register_at_exit();
  say("exit(3)");
  std::exit(3);
}

void exit_in_another_thread() {
  ends_by("exit status 4");
  leave_threads_running();
  register_at_exit();
  std::thread([] {
    say("exit(4) elsewhere");
    std::exit(4);
  }).detach();
  sleep_forever();
}

void underscore_exit_in_another_thread() {
  ends_by("exit status 5");
  leave_threads_running();
  register_at_exit();
  std::thread([] {
    std::fputs("lost in a buffer", stdout);
    _exit(5);
  }).detach();
  sleep_forever();
}

void quick_exit_runs_its_own_handlers() {
  ends_by("exit status 6");
  register_at_exit();
  std::at_quick_exit([] { say("at quick exit"); });
  leave_threads_running();
  std::quick_exit(6);
}

// pthread_exit of main: the process lives on until its last thread is gone, and ends with 0.
void first_thread_leaves_early() {
  ends_by("exit status 0");
  register_at_exit();
  std::thread([] {
    usleep(200'000);
    say("the last thread");
  }).detach();
  say("pthread_exit of the first thread");
  pthread_exit(nullptr);
}

void last_thread_exits_after_the_first_has_left() {
  ends_by("exit status 9");
  register_at_exit();
  std::thread([] {
    usleep(100'000);
    std::exit(9);
  }).detach();
  pthread_exit(nullptr);
}

void buffers_are_flushed_at_exit() {
  ends_by("exit status 0");
  leave_threads_running();
  std::thread([] { std::fputs("written by a thread, flushed at exit\n", stdout); }).join();
  std::exit(0);
}

void abort_in_a_thread() {
  ends_by("SIGABRT");
  without_core();
  leave_threads_running();
  std::thread([] {
    say("abort");
    std::abort();
  }).join();
}

void uncaught_exception_in_a_thread() {
  ends_by("SIGABRT");
  without_core();
  std::thread([] { throw std::runtime_error("nobody catches this"); }).join();
}

void unjoined_thread_is_terminated() {
  ends_by("SIGABRT");
  without_core();
  const std::thread forgotten([] { sleep(60); });
}

void segmentation_fault_in_a_thread() {
  ends_by("SIGSEGV");
  without_core();
  leave_threads_running();
  std::thread([] {
    say("a wild pointer");
    volatile int* volatile nowhere = nullptr;
    *nowhere = 1;
  }).join();
}

void return_from_main() {
  ends_by("exit status 0");
  leave_threads_running();
}

int descend(int depth) {
  volatile char frame[512];
  for (std::size_t i = 0; i < sizeof frame; i += 64)
    frame[i] = static_cast<char>(depth);
  return depth < 0 ? 0 : descend(depth + 1) + frame[0];
}

void stack_overflow_hits_the_guard() {
  ends_by("SIGSEGV");
  without_core();
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 128 * 1024);
  pthread_t thread{};
  say("a stack overflows");
  pthread_create(
      &thread, &attributes,
      [](void*) -> void* {
        std::printf("%d\n", descend(0));
        return nullptr;
      },
      nullptr);
  pthread_join(thread, nullptr);
  say("the stack did not overflow");
}

void floating_point_exception() {
  ends_by("SIGFPE");
  without_core();
  std::thread([] {
    volatile int number = 1000;
    volatile int zero = 0;
    say("a division");
    const volatile int result = number / zero;
    (void)result;
  }).join();
}

void killed_by_a_signal() {
  ends_by("SIGTERM");
  leave_threads_running();
  say("SIGTERM");
  kill(getpid(), SIGTERM);
  sleep_forever();
}

void killed_by_a_thread_signal() {
  ends_by("SIGUSR1");
  leave_threads_running();
  std::thread thread([] { sleep_forever(); });
  say("SIGUSR1 without a handler");
  pthread_kill(thread.native_handle(), SIGUSR1);
  thread.join();
}

void killed_by_an_alarm() {
  ends_by("SIGALRM");
  leave_threads_running();
  alarm(1);
  sleep_forever();
}

void broken_pipe_in_a_thread() {
  ends_by("SIGPIPE");
  leave_threads_running();
  std::thread([] {
    pipe_pair pipe;
    close_once(pipe.reader);
    say("a write to a broken pipe");
    (void)!write(pipe.writer, "x", 1);
    say("write returned");
  }).join();
}

const checks registered{
    {"exit_in_the_first_thread", exit_in_the_first_thread},
    {"exit_in_another_thread", exit_in_another_thread},
    {"underscore_exit_in_another_thread", underscore_exit_in_another_thread},
    {"quick_exit_runs_its_own_handlers", quick_exit_runs_its_own_handlers},
    {"first_thread_leaves_early", first_thread_leaves_early},
    {"last_thread_exits_after_the_first_has_left", last_thread_exits_after_the_first_has_left},
    {"buffers_are_flushed_at_exit", buffers_are_flushed_at_exit},
    {"return_from_main", return_from_main},
    {"abort_in_a_thread", abort_in_a_thread},
    {"uncaught_exception_in_a_thread", uncaught_exception_in_a_thread},
    {"unjoined_thread_is_terminated", unjoined_thread_is_terminated},
    {"segmentation_fault_in_a_thread", segmentation_fault_in_a_thread},
    {"stack_overflow_hits_the_guard", stack_overflow_hits_the_guard},
    {"floating_point_exception", floating_point_exception},
    {"killed_by_a_signal", killed_by_a_signal},
    {"killed_by_a_thread_signal", killed_by_a_thread_signal},
    {"killed_by_an_alarm", killed_by_an_alarm},
    {"broken_pipe_in_a_thread", broken_pipe_in_a_thread},
};

} // namespace
