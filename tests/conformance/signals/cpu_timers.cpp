// SPDX-License-Identifier: BSL-1.0
//
// Timers and sleeps on a thread's processor time.
#include "tests/conformance/check.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

timespec as_timespec(std::chrono::nanoseconds span) {
  return {static_cast<time_t>(span.count() / 1'000'000'000),
          static_cast<long>(span.count() % 1'000'000'000)};
}
std::chrono::nanoseconds as_span(const timespec& t) {
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}
std::chrono::nanoseconds time_of(clockid_t clock) {
  timespec t{};
  expect_equal(clock_gettime(clock, &t), 0, "clock_gettime");
  return as_span(t);
}
void use(std::chrono::nanoseconds amount) {
  const auto begin = time_of(CLOCK_THREAD_CPUTIME_ID);
  while (time_of(CLOCK_THREAD_CPUTIME_ID) - begin < amount)
    ;
}
clockid_t clock_of(pthread_t thread) {
  clockid_t clock{};
  expect_equal(pthread_getcpuclockid(thread, &clock), 0, "pthread_getcpuclockid");
  return clock;
}

sigevent signal_event(int number, int value, pid_t tid = 0) {
  sigevent event{};
  event.sigev_notify = tid ? SIGEV_THREAD_ID : SIGEV_SIGNAL;
  event.sigev_signo = number;
  event.sigev_value.sival_int = value;
  if (tid) event._sigev_un._tid = tid;
  return event;
}

class timer {
 public:
  timer(clockid_t clock, sigevent event) {
    expect_equal(timer_create(clock, &event, &id_), 0, "timer_create");
  }
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;
  ~timer() { expect_equal(timer_delete(id_), 0, "timer_delete"); }

  void set(std::chrono::nanoseconds first, std::chrono::nanoseconds each = 0ns, int flags = 0) {
    const itimerspec spec{as_timespec(each), as_timespec(first)};
    expect_equal(timer_settime(id_, flags, &spec, nullptr), 0, "timer_settime");
  }
  [[nodiscard]] itimerspec left() const {
    itimerspec found{};
    expect_equal(timer_gettime(id_, &found), 0, "timer_gettime");
    return found;
  }
  [[nodiscard]] timer_t id() const { return id_; }

 private:
  timer_t id_{};
};

thread_local int mine = 0;    // signals
thread_local int expired = 0; // with overruns
std::atomic<int> all_mine{0};
std::atomic<int> wrong{0};
void note(int, siginfo_t* info, void*) {
  if (info->si_code != SI_TIMER) wrong.fetch_add(1);
  if (info->si_value.sival_int != 0 && info->si_value.sival_int != gettid()) wrong.fetch_add(1);
  ++mine;
  expired += 1 + info->si_overrun;
  all_mine.fetch_add(1);
}

class noting {
 public:
  explicit noting(int number) : number_(number) {
    mine = expired = 0;
    all_mine = wrong = 0;
    struct sigaction action {};
    action.sa_sigaction = note;
    action.sa_flags = SA_SIGINFO;
    sigaction(number, &action, &before_);
  }
  noting(const noting&) = delete;
  noting& operator=(const noting&) = delete;
  ~noting() {
    sigaction(number_, &before_, nullptr);
    expect_equal(wrong.load(), 0, "signals that were another's");
  }

 private:
  int number_;
  struct sigaction before_ {};
};

// Before there is any other thread.
void of_the_only_thread() {
  const noting handler(SIGRTMIN);
  timer own(CLOCK_THREAD_CPUTIME_ID, signal_event(SIGRTMIN, 0));
  own.set(20ms);
  std::this_thread::sleep_for(50ms);
  expect_equal(mine, 0, "signals while it slept");
  use(60ms);
  expect_equal(mine, 1, "signals when it had worked");
  use(30ms);
  expect_equal(mine, 1, "signals of a timer that expires once");
  expect(own.left().it_value.tv_nsec == 0, "it is not set any more");
}

void of_each_thread_its_own() {
  const noting handler(SIGRTMIN);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([] {
      timer own(CLOCK_THREAD_CPUTIME_ID, signal_event(SIGRTMIN, gettid(), gettid()));
      const auto began = time_of(CLOCK_THREAD_CPUTIME_ID);
      own.set(10ms, 10ms);
      use(100ms);
      const int seen = expired;
      const auto used = time_of(CLOCK_THREAD_CPUTIME_ID) - began;
      expect(mine >= 3, "signals in 100 ms of work");
      expect(seen <= used / 10ms, "no more often than it was due");
      std::this_thread::sleep_for(50ms);
      expect(expired - seen <= 1, "it is not due while it sleeps");
    });
  for (std::thread& thread : threads)
    thread.join();
}

void while_others_work() {
  const noting handler(SIGRTMIN);
  std::thread([] {
    timer own(CLOCK_THREAD_CPUTIME_ID, signal_event(SIGRTMIN, gettid(), gettid()));
    own.set(30ms);
    std::thread([] { use(90ms); }).join();
    expect_equal(mine, 0, "signals when another has worked");
    use(60ms);
    wait_until([] { return mine == 1; }, "a signal when it has worked itself");
  }).join();
}

void of_another_thread() {
  const noting handler(SIGRTMIN);
  sem_t begin;
  sem_init(&begin, 0, 0);
  std::atomic<bool> worked{false}, end{false};
  std::thread other([&] {
    const blocked one{SIGRTMIN};
    sem_wait(&begin);
    use(80ms);
    worked = true;
    wait_until([&] { return end.load(); }, "the end");
  });
  timer its(clock_of(other.native_handle()), signal_event(SIGRTMIN, 0));
  its.set(40ms);
  use(60ms);
  expect_equal(mine, 0, "signals when its thread has not worked");
  sem_post(&begin);
  wait_until([&] { return worked.load(); }, "the other's work");
  wait_until([] { return mine == 1; }, "a signal when its thread has worked");
  end = true;
  other.join();
}

void waits_of_others_are_not_disturbed() {
  int ends[2];
  expect_equal(pipe(ends), 0, "pipe");
  sem_t never;
  sem_init(&never, 0, 0);
  timer own(CLOCK_THREAD_CPUTIME_ID, signal_event(SIGRTMIN, 0));
  own.set(1h, 0ns);
  std::vector<std::thread> threads;
  std::atomic<bool> end{false};
  threads.emplace_back([&] {
    char byte = 0;
    expect_equal(read(ends[0], &byte, 1), 1, "a read that waited");
  });
  threads.emplace_back([] { expect_equal(usleep(80'000), 0, "a sleep"); });
  threads.emplace_back([&] { expect_equal(sem_wait(&never), 0, "a wait"); });
  threads.emplace_back([&] {
    timer more(CLOCK_THREAD_CPUTIME_ID, signal_event(SIGRTMIN, 0));
    more.set(1h, 0ns);
    use(100ms);
  });
  use(100ms);
  expect_equal(write(ends[1], "x", 1), 1, "write");
  sem_post(&never);
  for (std::thread& thread : threads)
    thread.join();
  close(ends[0]);
  close(ends[1]);
}

std::atomic<int> called{0};
void call(sigval value) {
  called.fetch_add(value.sival_int);
}

void that_calls_a_function() {
  called = 0;
  std::thread([] {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD;
    event.sigev_notify_function = call;
    event.sigev_value.sival_int = 7;
    timer own(CLOCK_THREAD_CPUTIME_ID, event);
    own.set(10ms);
    use(40ms);
    wait_until([] { return called.load() != 0; }, "the call");
  }).join();
  expect_equal(called.load(), 7, "what it was called with");
}

void that_tells_nobody() {
  std::thread([] {
    sigevent event{};
    event.sigev_notify = SIGEV_NONE;
    timer own(CLOCK_THREAD_CPUTIME_ID, event);
    own.set(60ms);
    const auto at_first = as_span(own.left().it_value);
    expect(at_first > 0ns && at_first <= 60ms, "what is left at first");
    use(20ms);
    const auto then = as_span(own.left().it_value);
    expect(then > 0ns && then <= 40ms, "what is left then");
    use(45ms);
    expect(as_span(own.left().it_value) == 0ns, "nothing is left");
    own.set(10ms, 20ms);
    use(35ms);
    const itimerspec found = own.left();
    expect(as_span(found.it_interval) == 20ms, "its interval");
    expect(as_span(found.it_value) > 0ns && as_span(found.it_value) <= 20ms, "of an interval");
  }).join();
}

void setting() {
  const noting handler(SIGRTMIN);
  std::thread([] {
    timer own(CLOCK_THREAD_CPUTIME_ID, signal_event(SIGRTMIN, gettid(), gettid()));
    expect(as_span(own.left().it_value) == 0ns, "it is not set at first");
    const auto now = time_of(CLOCK_THREAD_CPUTIME_ID);
    own.set(now + 1s, 3s, TIMER_ABSTIME);
    const itimerspec next{as_timespec(0ns), as_timespec(0ns)};
    itimerspec old{};
    expect_equal(timer_settime(own.id(), 0, &next, &old), 0, "timer_settime");
    expect(as_span(old.it_value) > 0ns && as_span(old.it_value) <= 1s, "what was left");
    expect(as_span(old.it_interval) == 3s, "what the interval was");
    expect(as_span(own.left().it_value) == 0ns, "it is not set any more");
    own.set(1ns, 0ns, TIMER_ABSTIME);
    use(20ms);
    expect_equal(mine, 1, "signals of a time in the past");
    const itimerspec bad{{0, 0}, {0, 1'000'000'000}};
    expect_errno(timer_settime(own.id(), 0, &bad, nullptr), EINVAL, "a second in nanoseconds");
    const itimerspec negative{{0, 0}, {-1, 0}};
    expect_errno(timer_settime(own.id(), 0, &negative, nullptr), EINVAL, "a negative time");
  }).join();
}

void creating() {
  sigevent event = signal_event(1000, 0);
  timer_t id{};
  expect_errno(timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &id), EINVAL, "no such signal");
  event = signal_event(SIGRTMIN, 0);
  event.sigev_notify = 77;
  expect_errno(timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &id), EINVAL, "no such notification");
  event = signal_event(SIGRTMIN, 0, getppid());
  expect_errno(timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &id), EINVAL, "another process's");
  clockid_t clock{};
  std::thread gone([&] { clock = clock_of(pthread_self()); });
  gone.join();
  event = signal_event(SIGRTMIN, 0);
  expect_errno(timer_create(clock, &event, &id), EINVAL, "a thread that is gone");
}

void of_a_thread_that_ends() {
  const noting handler(SIGRTMIN);
  sem_t end;
  sem_init(&end, 0, 0);
  std::thread other([&] { sem_wait(&end); });
  timer its(clock_of(other.native_handle()), signal_event(SIGRTMIN, 0));
  its.set(1s, 1s);
  sem_post(&end);
  other.join();
  expect(as_span(its.left().it_value) == 0ns, "it is not set any more");
  const itimerspec next{{0, 0}, {1, 0}};
  expect_errno(timer_settime(its.id(), 0, &next, nullptr), ESRCH, "setting it");
  use(20ms);
  expect_equal(mine, 0, "signals");
}

void overruns() {
  const noting handler(SIGRTMIN);
  std::thread([] {
    timer own(CLOCK_THREAD_CPUTIME_ID, signal_event(SIGRTMIN, gettid(), gettid()));
    {
      const blocked one{SIGRTMIN};
      own.set(5ms, 5ms);
      use(80ms);
      expect_equal(mine, 0, "signals that it blocks");
    }
    expect_equal(mine, 1, "signals then");
    expect(expired >= 8 && expired <= 20, "what the signal tells");
    own.set(0ns);
  }).join();
  std::thread([] {
    const blocked one{SIGRTMIN};
    timer own(CLOCK_THREAD_CPUTIME_ID, signal_event(SIGRTMIN, gettid(), gettid()));
    own.set(5ms, 5ms);
    use(80ms);
    const sigset_t set = set_of({SIGRTMIN});
    siginfo_t info{};
    expect_equal(sigwaitinfo(&set, &info), SIGRTMIN, "sigwaitinfo");
    expect_equal(timer_getoverrun(own.id()), info.si_overrun, "timer_getoverrun");
    expect(info.si_overrun >= 7 && info.si_overrun <= 20, "how often it expired");
  }).join();
}

// The same of a timer that the kernel keeps.
void overruns_of_time_itself() {
  std::thread([] {
    const blocked one{SIGRTMIN};
    timer own(CLOCK_MONOTONIC, signal_event(SIGRTMIN, gettid(), gettid()));
    own.set(2ms, 2ms);
    std::this_thread::sleep_for(60ms);
    const sigset_t set = set_of({SIGRTMIN});
    siginfo_t info{};
    expect_equal(sigwaitinfo(&set, &info), SIGRTMIN, "sigwaitinfo");
    expect_equal(timer_getoverrun(own.id()), info.si_overrun, "timer_getoverrun");
    expect(info.si_overrun >= 5, "how often it expired");
  }).join();
}

void wait_for_signals() {
  const blocked one{SIGRTMIN + 1};
  const sigset_t set = set_of({SIGRTMIN + 1});
  std::atomic<bool> end{false};
  std::thread other([&] {
    while (!end)
      use(1ms);
  });
  timer its(clock_of(other.native_handle()), signal_event(SIGRTMIN + 1, 5));
  its.set(10ms, 10ms);
  for (int i = 0; i < 3; ++i) {
    siginfo_t info{};
    expect_equal(sigwaitinfo(&set, &info), SIGRTMIN + 1, "sigwaitinfo");
    expect_equal(info.si_value.sival_int, 5, "its value");
  }
  const int fd = signalfd(-1, &set, 0);
  for (int i = 0; i < 3; ++i) {
    signalfd_siginfo info{};
    expect_equal(read(fd, &info, sizeof info), sizeof info, "read of a signalfd");
    expect_equal(info.ssi_int, 5, "its value there");
  }
  close(fd);
  its.set(0ns);
  end = true;
  other.join();
  const timespec none{0, 0};
  sigtimedwait(&set, nullptr, &none);
}

// In a child, since a process that has had a signalfd keeps what all block for such.
void waited_for() {
  const pid_t child = fork();
  if (child == 0) {
    wait_for_signals();
    _exit(failures() ? 1 : 0);
  }
  int status = -1;
  expect_equal(waitpid(child, &status, 0), child, "waitpid");
  expect_equal(status, 0, "the child");
}

void are_not_inherited() {
  std::thread([] {
    timer own(CLOCK_THREAD_CPUTIME_ID, signal_event(SIGKILL, 0));
    own.set(50ms, 50ms);
    const pid_t child = fork();
    if (child == 0) {
      const itimerspec next{{0, 0}, {1, 0}};
      const bool gone = timer_settime(own.id(), 0, &next, nullptr) == -1 && errno == EINVAL;
      use(100ms);
      _exit(gone ? 0 : 1);
    }
    int status = -1;
    expect_equal(waitpid(child, &status, 0), child, "waitpid");
    expect_equal(status, 0, "the child");
    own.set(0ns);
  }).join();
}

void sleeping() {
  std::atomic<bool> end{false};
  std::thread other([&] {
    while (!end)
      use(1ms);
  });
  const clockid_t clock = clock_of(other.native_handle());
  auto before = time_of(clock);
  timespec time = as_timespec(30ms);
  expect_equal(clock_nanosleep(clock, 0, &time, nullptr), 0, "a relative sleep");
  expect(time_of(clock) - before >= 30ms, "what the other used meanwhile");
  before = time_of(clock);
  time = as_timespec(before + 30ms);
  expect_equal(clock_nanosleep(clock, TIMER_ABSTIME, &time, nullptr), 0, "an absolute sleep");
  expect(time_of(clock) - before >= 30ms, "what the other used meanwhile");
  expect_equal(clock_nanosleep(clock, TIMER_ABSTIME, &time, nullptr), 0, "until then once more");
  end = true;
  other.join();
  time = as_timespec(1ms);
  expect_equal(clock_nanosleep(clock, 0, &time, nullptr), EINVAL, "of a thread that is gone");
}

void sleeping_on_ones_own_time() {
  std::thread([] {
    const timespec time = as_timespec(1ms);
    const clockid_t own = clock_of(pthread_self());
    expect_equal(clock_nanosleep(own, 0, &time, nullptr), EINVAL, "by its number");
    expect_equal(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &time, nullptr), EINVAL,
                 "by its name");
    expect_errno(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &time, nullptr),
                 EOPNOTSUPP, "asked of the kernel");
    const timespec bad{0, -1};
    expect_equal(clock_nanosleep(own, 0, &bad, nullptr), EINVAL, "a negative time");
  }).join();
}

void nothing(int) {}

void interrupted_sleep() {
  const handling handler(SIGUSR1, nothing);
  sem_t end;
  sem_init(&end, 0, 0);
  std::thread other([&] { sem_wait(&end); });
  const clockid_t clock = clock_of(other.native_handle());
  std::atomic<bool> done{false};
  std::thread sleeper([&] {
    timespec time = as_timespec(1s), left{};
    expect_equal(clock_nanosleep(clock, 0, &time, &left), EINTR, "a relative sleep");
    expect(as_span(left) > 900ms && as_span(left) <= 1s, "what is left");
    time = as_timespec(time_of(clock) + 1s);
    expect_equal(clock_nanosleep(clock, TIMER_ABSTIME, &time, &left), EINTR, "an absolute sleep");
    done = true;
  });
  while (!done) {
    std::this_thread::sleep_for(10ms);
    pthread_kill(sleeper.native_handle(), SIGUSR1);
  }
  sleeper.join();
  sem_post(&end);
  other.join();
}

const checks all{
    {"cpu_timer_of_the_only_thread", of_the_only_thread},
    {"cpu_timer_of_each_thread_its_own", of_each_thread_its_own},
    {"cpu_timer_while_others_work", while_others_work},
    {"cpu_timer_of_another_thread", of_another_thread},
    {"cpu_timer_waits_of_others_are_not_disturbed", waits_of_others_are_not_disturbed},
    {"cpu_timer_that_calls_a_function", that_calls_a_function},
    {"cpu_timer_that_tells_nobody", that_tells_nobody},
    {"cpu_timer_setting", setting},
    {"cpu_timer_creating", creating},
    {"cpu_timer_of_a_thread_that_ends", of_a_thread_that_ends},
    {"cpu_timer_overruns", overruns},
    {"cpu_timer_waited_for", waited_for},
    {"cpu_timer_not_inherited", are_not_inherited},
    {"timer_overruns_of_time_itself", overruns_of_time_itself},
    {"sleeping_on_processor_time", sleeping},
    {"sleeping_on_ones_own_processor_time", sleeping_on_ones_own_time},
    {"sleeping_on_processor_time_interrupted", interrupted_sleep},
};

} // namespace
