// SPDX-License-Identifier: BSL-1.0
//
// POSIX timers whose signal is for one thread, and alternate stacks' fine print.
#include "tests/conformance/check.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <csignal>
#include <ctime>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

// A timer for thread `tid`, every `period`.
class timer {
 public:
  timer(int number, pid_t tid, std::chrono::nanoseconds period, int value = 0) {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = number;
    event.sigev_value.sival_int = value;
    event._sigev_un._tid = tid;
    expect_equal(timer_create(CLOCK_MONOTONIC, &event, &id_), 0, "timer_create");
    const timespec each{0, static_cast<long>(period.count())};
    const itimerspec spec{each, each};
    expect_equal(timer_settime(id_, 0, &spec, nullptr), 0, "timer_settime");
  }
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;
  ~timer() { timer_delete(id_); }

 private:
  timer_t id_{};
};

thread_local int mine = 0;
std::atomic<int> wrong{0};
void note(int, siginfo_t* info, void*) {
  if (info->si_code != SI_TIMER || info->si_value.sival_int != gettid()) wrong.fetch_add(1);
  ++mine;
}

class noting {
 public:
  explicit noting(int number) : number_(number) {
    wrong.store(0);
    struct sigaction action {};
    action.sa_sigaction = note;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(number, &action, &before_);
  }
  noting(const noting&) = delete;
  noting& operator=(const noting&) = delete;
  ~noting() { sigaction(number_, &before_, nullptr); }

 private:
  int number_;
  struct sigaction before_ {};
};

void timer_for_a_thread() {
  const noting handler(SIGRTMIN);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      mine = 0;
      const timer own(SIGRTMIN, gettid(), 2ms, gettid());
      wait_until([] { return mine >= 10; }, "ten of one's own timer");
    });
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(wrong.load(), 0, "signals that came to another thread");
}

void timer_for_a_thread_that_blocks_it() {
  const noting handler(SIGRTMIN);
  std::atomic<bool> blocked_there{false}, done{false};
  std::thread other([&] {
    mine = 0;
    const timer own(SIGRTMIN, gettid(), 2ms, gettid());
    {
      const blocked one{SIGRTMIN};
      mine = 0;
      std::this_thread::sleep_for(50ms);
      expect_equal(mine, 0, "handled while blocked");
      sigset_t pending;
      sigpending(&pending);
      expect(sigismember(&pending, SIGRTMIN), "it is pending");
      blocked_there.store(true);
    }
    expect(mine > 0, "handled when unblocked");
    done.store(true);
  });
  mine = 0;
  wait_until([&] { return done.load(); }, "the other thread's end");
  other.join();
  expect_equal(mine, 0, "signals that came to the first thread");
  expect_equal(wrong.load(), 0, "signals that came to another thread");
}

void timer_for_a_thread_that_waits() {
  const blocked all{SIGRTMIN};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([] {
      const timer own(SIGRTMIN, gettid(), 3ms, gettid());
      const sigset_t set = set_of({SIGRTMIN});
      for (int i = 0; i < 8; ++i) {
        siginfo_t info;
        expect_equal(sigwaitinfo(&set, &info), SIGRTMIN, "sigwaitinfo");
        expect_equal(info.si_value.sival_int, gettid(), "whose timer");
      }
    });
  for (std::thread& thread : threads)
    thread.join();
}

void timer_of_a_thread_that_ended() {
  const noting handler(SIGRTMIN);
  timer_t id{};
  std::thread([&] {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGRTMIN;
    event._sigev_un._tid = gettid();
    expect_equal(timer_create(CLOCK_MONOTONIC, &event, &id), 0, "timer_create");
  }).join();
  mine = 0;
  const itimerspec soon{{0, 2'000'000}, {0, 2'000'000}};
  timer_settime(id, 0, &soon, nullptr);
  std::this_thread::sleep_for(50ms);
  expect_equal(mine, 0, "signals of a thread that is gone");
  timer_delete(id);
}

void alternate_stack_arguments() {
  std::vector<char> memory(65536);
  stack_t stack{memory.data(), SS_DISABLE | SS_ONSTACK, memory.size()};
  expect_errno(sigaltstack(&stack, nullptr), EINVAL, "two modes");
  stack.ss_flags = 0x40;
  expect_errno(sigaltstack(&stack, nullptr), EINVAL, "an unknown mode");
  stack = {memory.data(), 0, 100};
  expect_errno(sigaltstack(&stack, nullptr), ENOMEM, "too small");
}

constexpr int autodisarm = static_cast<int>(1u << 31);
stack_t in_handler, in_context;
void look(int, siginfo_t*, void* context) {
  sigaltstack(nullptr, &in_handler);
  in_context = static_cast<ucontext_t*>(context)->uc_stack;
}

void look_at_stacks() {
  std::vector<char> memory(65536);
  struct sigaction action {
  }, before{};
  action.sa_sigaction = look;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGUSR1, &action, &before);
  for (const int flags : {0, autodisarm}) {
    stack_t stack{memory.data(), flags, memory.size()}, old{}, after{};
    sigaltstack(&stack, &old);
    raise(SIGUSR1);
    expect_equal(in_handler.ss_flags & SS_ONSTACK, flags ? 0 : SS_ONSTACK, "on it");
    expect_equal(in_handler.ss_flags & SS_DISABLE, flags ? SS_DISABLE : 0, "disarmed");
    expect(in_context.ss_sp == stack.ss_sp, "the context tells the stack");
    expect_equal(in_context.ss_size, stack.ss_size, "the context tells its size");
    expect_equal(in_context.ss_flags, flags, "the context tells its flags");
    sigaltstack(nullptr, &after);
    expect(after.ss_sp == stack.ss_sp && after.ss_flags == flags, "as before afterwards");
    old.ss_flags = SS_DISABLE;
    sigaltstack(&old, nullptr);
  }
  sigaction(SIGUSR1, &before, nullptr);
}

void alternate_stack_seen_by_handlers() {
  look_at_stacks();
  std::thread(look_at_stacks).join();
}

const checks all{
    {"timer_for_a_thread", timer_for_a_thread},
    {"timer_for_a_thread_that_blocks_it", timer_for_a_thread_that_blocks_it},
    {"timer_for_a_thread_that_waits", timer_for_a_thread_that_waits},
    {"timer_of_a_thread_that_ended", timer_of_a_thread_that_ended},
    {"alternate_stack_arguments", alternate_stack_arguments},
    {"alternate_stack_seen_by_handlers", alternate_stack_seen_by_handlers},
};

} // namespace
