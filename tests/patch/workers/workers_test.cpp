// SPDX-License-Identifier: BSL-1.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "crew.hpp"

namespace weft::patch {
namespace {

/// As libc's: what it guards are plain variables, over which the sanitizer watches.
class mutex {
 public:
  void lock() noexcept {
    std::uint32_t seen = 0;
    if (word_.compare_exchange_strong(seen, 1, std::memory_order_acquire)) return;
    while (word_.exchange(2, std::memory_order_acquire) != 0)
      call(SYS_futex, address(&word_), FUTEX_WAIT_PRIVATE, 2);
  }
  void unlock() noexcept {
    if (word_.exchange(0, std::memory_order_release) == 2)
      call(SYS_futex, address(&word_), FUTEX_WAKE_PRIVATE, 1);
  }

 private:
  std::atomic<std::uint32_t> word_{0};
};

class semaphore {
 public:
  void post() noexcept {
    count_.fetch_add(1, std::memory_order_release);
    call(SYS_futex, address(&count_), FUTEX_WAKE_PRIVATE, 1);
  }
  void wait() noexcept {
    for (;;) {
      std::uint32_t n = count_.load(std::memory_order_relaxed);
      while (n > 0)
        if (count_.compare_exchange_weak(n, n - 1, std::memory_order_acquire)) return;
      call(SYS_futex, address(&count_), FUTEX_WAIT_PRIVATE, 0);
    }
  }

 private:
  std::atomic<std::uint32_t> count_{0};
};

void sleep_for(long nanoseconds) noexcept {
  const timespec time{0, nanoseconds};
  call(SYS_nanosleep, address(&time), 0);
}

/// For as long as a thread takes to be one that computes.
void compute(long nanoseconds) noexcept {
  timespec begun, now;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  do
    clock_gettime(CLOCK_MONOTONIC, &now);
  while ((now.tv_sec - begun.tv_sec) * 1'000'000'000 + now.tv_nsec - begun.tv_nsec < nanoseconds);
}

#if defined(__SANITIZE_THREAD__)
constexpr int times = 1;
#else
constexpr int times = 5;
#endif

class workers : public testing::TestWithParam<unsigned> {
 protected:
  /// With one thread weft has no kernel threads.
  void TearDown() override {
    c_.reset();
    EXPECT_EQ(kernel_threads(), 0U);
  }

 private:
  std::optional<crew> c_;

 protected:
  crew& c = c_.emplace(GetParam());
};

TEST_P(workers, count_what_they_share) {
  mutex m;
  long count = 0;
  for (int i = 0; i < 12; ++i)
    c.start([&] {
      for (int n = 0; n < 300 * times; ++n) {
        m.lock();
        ++count;
        if (n % 16 == 0) call(SYS_sched_yield);
        m.unlock();
        if (n % 64 == 0) compute(30'000);
      }
    });
  c.join();
  EXPECT_EQ(count, 12 * 300 * times);
}

TEST_P(workers, hand_tokens_round) {
  std::array<semaphore, 8> seats;
  long passed = 0; // by whoever has the only token
  for (unsigned i = 0; i < seats.size(); ++i)
    c.start([&, i] {
      for (int n = 0; n < 200 * times; ++n) {
        seats[i].wait();
        ++passed;
        seats[(i + 1) % seats.size()].post();
      }
    });
  seats[0].post();
  c.join();
  EXPECT_EQ(passed, static_cast<long>(seats.size()) * 200 * times);
}

TEST_P(workers, wait_for_events) {
  struct pair {
    int there[2], back[2];
    long sum = 0;
  };
  std::array<pair, 4> pairs;
  for (pair& p : pairs) {
    ASSERT_EQ(pipe(p.there), 0);
    ASSERT_EQ(pipe(p.back), 0);
    c.start([&p] {
      for (int n = 1; n <= 100 * times; ++n) {
        call(SYS_write, p.there[1], address(&n), sizeof n);
        int answer = 0;
        call(SYS_read, p.back[0], address(&answer), sizeof answer);
        p.sum += answer;
        if (n % 32 == 0) sleep_for(20'000);
      }
    });
    c.start([&p] {
      for (int n = 1; n <= 100 * times; ++n) {
        int asked = 0;
        call(SYS_read, p.there[0], address(&asked), sizeof asked);
        if (n % 16 == 0) compute(50'000);
        call(SYS_write, p.back[1], address(&asked), sizeof asked);
      }
    });
  }
  c.join();
  for (pair& p : pairs) {
    EXPECT_EQ(p.sum, 100L * times * (100 * times + 1) / 2);
    for (const int fd : {p.there[0], p.there[1], p.back[0], p.back[1]})
      close(fd);
  }
}

TEST_P(workers, sleep) {
  std::atomic<int> woken{0};
  for (int i = 0; i < 10; ++i)
    c.start([&woken, i] {
      for (int n = 0; n < 20; ++n) {
        sleep_for((i * 37 + n * 101) % 300 * 1000);
        if (i % 3 == 0) compute(40'000);
        woken.fetch_add(1, std::memory_order_relaxed);
      }
    });
  c.join();
  EXPECT_EQ(woken, 200);
}

TEST_P(workers, spin_until_another_has_run) {
  std::atomic<int> turn{0};
  constexpr int threads = 6;
  for (int i = 0; i < threads; ++i)
    c.start([&turn, i] {
      if (i % 2) { // the even ones compute all the time that they wait
        while (turn.load(std::memory_order_acquire) != i)
          call(SYS_sched_yield);
      } else {
        while (turn.load(std::memory_order_acquire) != i)
          if (i > 0) sleep_for(10'000);
      }
      turn.store(i + 1, std::memory_order_release);
    });
  while (turn.load(std::memory_order_acquire) != threads)
    sleep_for(100'000);
  c.join();
  EXPECT_EQ(turn, threads);
}

/// A semaphore of the kernel's, in which threads wait that weft knows nothing of.
class kernel_semaphore {
 public:
  kernel_semaphore() : id_(semget(IPC_PRIVATE, 1, 0600)) {}
  ~kernel_semaphore() { semctl(id_, 0, IPC_RMID); }
  [[nodiscard]] bool exists() const noexcept { return id_ >= 0; }
  void change(short by) noexcept {
    sembuf operation{0, by, 0};
    call(SYS_semop, static_cast<std::uint64_t>(id_), address(&operation), 1);
  }

 private:
  int id_;
};

TEST_P(workers, wait_in_the_kernel) {
  kernel_semaphore there, back;
  if (!there.exists() || !back.exists()) GTEST_SKIP() << "no semaphores of System V";
  long passed = 0; // by whoever has the only token
  mutex m;
  long others = 0;
  constexpr int rounds = 40;
  c.start([&] {
    for (int n = 0; n < rounds; ++n) {
      ++passed;
      there.change(1);
      back.change(-1);
    }
  });
  c.start([&] {
    for (int n = 0; n < rounds; ++n) {
      there.change(-1);
      ++passed;
      back.change(1);
    }
  });
  for (int i = 0; i < 4; ++i)
    c.start([&] {
      for (int n = 0; n < 100; ++n) {
        m.lock();
        ++others;
        m.unlock();
        sleep_for(100'000);
      }
    });
  c.join();
  EXPECT_EQ(others, 400);
}

TEST_P(workers, are_born_and_die) {
  mutex m;
  long born = 0;
  for (int i = 0; i < 6; ++i)
    c.start([&] {
      for (int n = 0; n < 10; ++n) {
        c.start([&] {
          m.lock();
          ++born;
          m.unlock();
        });
        if (n % 3 == 0) compute(30'000);
      }
    });
  c.join();
  EXPECT_EQ(born, 60);
}

/// Has the thread that is running here yield at the end of its call, as the monitor does who finds
/// that it has had its share.
void have_had_share() noexcept {
  self()->on->preempt = true;
  call(SYS_gettid);
}

TEST_P(workers, of_threads_of_their_own) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::atomic<int> left{6};
  mutex m;
  long count = 0;
  c.start([&] { // somebody always waits for an event
    char byte;
    call(SYS_read, ends[0], address(&byte), 1);
  });
  for (int i = 0; i < 6; ++i)
    c.start([&, i] {
      if (i % 3) call(SYS_setfsuid, getuid()); // which the kernel keeps for each of its threads
      for (int n = 0; n < 500 * times; ++n) {
        m.lock();
        ++count;
        m.unlock();
        if (n % 8 == 0) compute(5'000);
        have_had_share();
      }
      if (--left == 0) {
        char byte = 0;
        call(SYS_write, ends[1], address(&byte), 1);
      }
    });
  c.join();
  EXPECT_EQ(count, 6 * 500 * times);
  close(ends[0]);
  close(ends[1]);
}

INSTANTIATE_TEST_SUITE_P(on, workers, testing::Values(1u, 2u, 3u, 8u),
                         [](const auto& info) { return std::to_string(info.param); });

} // namespace
} // namespace weft::patch
