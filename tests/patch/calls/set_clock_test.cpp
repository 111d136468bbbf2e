// SPDX-License-Identifier: BSL-1.0
//
// Waits for a point on the clock of the day, and somebody who sets it. This machine's is left
// alone: here all read the time through a clock_gettime that adds to it, and the kernel's timer
// that is cancelled when the clock is set is made to run out instead, which weft cannot tell apart.
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <iterator>

#include "calling.hpp"
#include "patch/calls/deadline.hpp"
#include "patch/kernel/own_descriptors.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/seccomp_filter.hpp"
#include "patch/sites/raw_syscall.hpp"
#include "tests/call_filter.hpp"

namespace {
time_t ahead = 0; // of the true time, in seconds
} // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const long result = weft::patch::raw_syscall(SYS_clock_gettime, clock, time);
  if (clock == CLOCK_REALTIME) time->tv_sec += ahead;
  return static_cast<int>(result);
}

namespace weft::patch {
namespace {

constexpr time_t hour = 3600;
constexpr core::nanoseconds millisecond = 1'000'000;
constexpr int nr_futex_wait = 455;

timespec in(core::nanoseconds span, clockid_t clock = CLOCK_REALTIME) {
  timespec now;
  clock_gettime(clock, &now);
  const core::nanoseconds then = span_of(now) + span;
  return {then / 1'000'000'000, then % 1'000'000'000};
}

class set_clock : public calling {
 protected:
  set_clock() { ahead = 0; }
  ~set_clock() override {
    wake_all();
    m().clocks.reset_after_fork(); // closes the descriptor
  }

  struct way {
    const char* name;
    long (set_clock::*wait)(green& g, const timespec& until);
    long at_the_end;
  };
  /// Every call of ours with a point on that clock.
  static const way ways[];

  void set(time_t seconds) {
    ahead += seconds;
    const itimerspec at_once{{}, {0, 1}};
    raw_syscall(SYS_timerfd_settime, m().clocks.descriptor(), 0, &at_once, nullptr);
  }
  /// Starts a thread that waits so, and writes down its name when that is over.
  void start_waiting(const way& w, timespec until) {
    start([this, w, until](green& g) {
      EXPECT_EQ((this->*w.wait)(g, until), w.at_the_end) << w.name;
      ended_.note(w.name);
    });
  }
  /// Who is written down first within the time.
  std::string ended_within(core::nanoseconds span) {
    const core::nanoseconds end = core::monotonic_now() + span;
    std::string found;
    while (found.empty() && core::monotonic_now() < end) {
      run_until(core::monotonic_now() + 2 * millisecond);
      found = ended_.read();
    }
    return found;
  }
  std::string none() { return ended_within(30 * millisecond); }
  std::string first() { return ended_within(5000 * millisecond); }

  long sleeping(green& g, const timespec& until) {
    return call(g, SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &until, nullptr);
  }
  long for_bits(green& g, const timespec& until) {
    return call(g, SYS_futex, &word_, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &until,
                nullptr, 1);
  }
  long for_new_call(green& g, const timespec& until) {
    return call(g, nr_futex_wait, &word_, 0, 1, FUTEX_32 | FUTEX_PRIVATE_FLAG, &until,
                CLOCK_REALTIME);
  }
  long for_several(green& g, const timespec& until) {
    const auto at = reinterpret_cast<std::uintptr_t>(&word_);
    const futex_waitv words[]{{0, at, FUTEX_32 | FUTEX_PRIVATE_FLAG, 0}};
    return call(g, SYS_futex_waitv, words, 1, 0, &until, CLOCK_REALTIME);
  }
  long for_lock(green& g, const timespec& until) {
    lock_ = static_cast<std::uint32_t>(me().tid);
    return call(g, SYS_futex, &lock_, FUTEX_LOCK_PI_PRIVATE, 0, &until);
  }
  long for_condition_and_lock(green& g, const timespec& until) {
    lock_ = static_cast<std::uint32_t>(me().tid);
    constexpr int operation = FUTEX_WAIT_REQUEUE_PI_PRIVATE | FUTEX_CLOCK_REALTIME;
    return call(g, SYS_futex, &word_, operation, 0, &until, &lock_);
  }

  diary ended_;

 private:
  void wake_all() {
    // Whoever still waits: no test may leave a thread with its stack gone.
    ahead += 1'000'000;
    m().clocks.were_set();
    run_until(core::monotonic_now() + millisecond);
  }

  std::uint32_t word_ = 0, lock_ = 0;
};

const set_clock::way set_clock::ways[] = {
    {"sleep", &set_clock::sleeping, 0},
    {"bits", &set_clock::for_bits, -ETIMEDOUT},
    {"new", &set_clock::for_new_call, -ETIMEDOUT},
    {"several", &set_clock::for_several, -ETIMEDOUT},
    {"lock", &set_clock::for_lock, -ETIMEDOUT},
    {"condition", &set_clock::for_condition_and_lock, -ETIMEDOUT},
};

TEST_F(set_clock, forward_ends_every_wait_that_is_due_then) {
  for (const way& w : ways) {
    start_waiting(w, in(hour * 1000 * millisecond));
    EXPECT_EQ(none(), "") << w.name;
    set(hour);
    EXPECT_EQ(first(), w.name);
    EXPECT_FALSE(m().clocks.have_waiters());
  }
}

TEST_F(set_clock, back_makes_every_wait_last_longer) {
  for (const way& w : ways) {
    start_waiting(w, in(60 * millisecond));
    set(-hour);
    EXPECT_EQ(ended_within(150 * millisecond), "") << w.name;
    set(hour);
    EXPECT_EQ(first(), w.name);
  }
}

TEST_F(set_clock, moves_each_wait_as_far_as_it_is_away) {
  const core::nanoseconds far = hour * 1000 * millisecond;
  start_waiting(ways[0], in(3 * far));
  start_waiting(ways[1], in(far));
  start_waiting(ways[2], in(2 * far));
  for (const char* next : {"bits", "new", "sleep"}) {
    EXPECT_EQ(none(), "");
    set(hour);
    EXPECT_EQ(first(), next);
  }
}

TEST_F(set_clock, is_nothing_to_other_waits) {
  diary ended;
  std::uint32_t word = 0;
  start([&](green& g) {
    const timespec until = in(hour * 1000 * millisecond, CLOCK_MONOTONIC);
    call(g, SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &until, nullptr, ~0u);
    ended.note("point");
  });
  start([&](green& g) {
    const timespec span{hour, 0};
    call(g, SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &span);
    ended.note("span");
  });
  EXPECT_FALSE(m().clocks.have_waiters());
  EXPECT_LT(m().clocks.descriptor(), 0) << "nobody has asked for it";
  start_waiting(ways[0], in(hour * 1000 * millisecond));
  set(hour);
  EXPECT_EQ(first(), "sleep");
  EXPECT_EQ(ended.read(), "");
  call(me(), SYS_futex, &word, FUTEX_WAKE_PRIVATE, 10);
  run();
  EXPECT_EQ(ended.read(), "point span");
}

TEST_F(set_clock, is_heard_of_though_threads_are_ready_all_the_time) {
  start_waiting(ways[0], in(hour * 1000 * millisecond));
  std::string over;
  start([&](green& g) {
    set(hour);
    const core::nanoseconds end = core::monotonic_now() + 5000 * millisecond;
    while ((over = ended_.read()).empty() && core::monotonic_now() < end)
      call(g, SYS_sched_yield);
  });
  EXPECT_EQ(over, "sleep");
}

TEST_F(set_clock, lets_who_means_to_look_earlier_look_then) {
  start([&](green& g) {
    const clock_deadline limit(g, CLOCK_REALTIME, span_of(in(hour * 1000 * millisecond)));
    prepare_park(g);
    EXPECT_EQ(park(g, soon(), park_reason::futex, true), wakeup::timeout);
    EXPECT_GT(limit.when(), core::monotonic_now() + hour * 1000 * millisecond);
    ended_.note("look");
  });
  set(-hour);
  EXPECT_EQ(first(), "look");
}

TEST_F(set_clock, is_told_by_a_timer_that_the_kernel_cancels_then) {
  start_waiting(ways[0], in(hour * 1000 * millisecond));
  const int fd = m().clocks.descriptor();
  ASSERT_GE(fd, 0);
  EXPECT_TRUE(is_own_descriptor(fd));
  std::ifstream file("/proc/self/fdinfo/" + std::to_string(fd));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(text.find("clockid: 0\n"), std::string::npos) << text;
  constexpr int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  static_assert(flags == 3);
  EXPECT_NE(text.find("settime flags: 03\n"), std::string::npos) << text;
  const auto left = text.find("it_value: (");
  ASSERT_NE(left, std::string::npos) << text;
  EXPECT_GT(std::stoll(text.substr(left + 11)), 1'000'000'000) << "far away: " << text;
}

TEST_F(set_clock, has_its_timer_made_once_and_anew_after_a_fork) {
  start_waiting(ways[1], in(millisecond));
  const int fd = m().clocks.descriptor();
  EXPECT_EQ(first(), "bits");
  start_waiting(ways[1], in(millisecond));
  EXPECT_EQ(m().clocks.descriptor(), fd);
  EXPECT_EQ(first(), "bits");
  m().clocks.reset_after_fork();
  m().reactor.reset_after_fork();
  EXPECT_EQ(m().clocks.descriptor(), -1);
  EXPECT_FALSE(is_own_descriptor(fd));
  EXPECT_EQ(fcntl(fd, F_GETFD), -1);
  start_waiting(ways[1], in(hour * 1000 * millisecond));
  EXPECT_EQ(none(), "");
  set(hour);
  EXPECT_EQ(first(), "bits");
}

// The known limit.
TEST_F(set_clock, is_not_heard_of_where_no_descriptor_is_left) {
  EXPECT_EQ(none(), ""); // now the reactor has its own
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int next = dup(0);
  ASSERT_GE(next, 0);
  const rlimit full{static_cast<rlim_t>(next), before.rlim_max};
  close(next);
  setrlimit(RLIMIT_NOFILE, &full);
  start_waiting(ways[1], in(60 * millisecond));
  EXPECT_EQ(m().clocks.descriptor(), -1);
  ahead -= hour;
  EXPECT_EQ(first(), "bits") << "as if the clock had not been set";
  setrlimit(RLIMIT_NOFILE, &before);
  start_waiting(ways[1], in(hour * 1000 * millisecond));
  EXPECT_GE(m().clocks.descriptor(), 0);
  set(hour);
  EXPECT_EQ(first(), "bits");
}

TEST_F(set_clock, costs_nobody_a_call_that_a_filter_forbids) {
  for (const unsigned number : {SYS_timerfd_create, SYS_timerfd_settime}) {
    ::new (&m().clocks) settable_clocks;
    call_filter filter({number}, SECCOMP_RET_KILL_PROCESS);
    const sock_fprog program = filter.program();
    prepare_for_filter(&program);
    start_waiting(ways[1], in(millisecond));
    EXPECT_EQ(m().clocks.descriptor(), -1);
    EXPECT_EQ(first(), "bits");
  }
}

} // namespace
} // namespace weft::patch
