// SPDX-License-Identifier: BSL-1.0
// Threads that compute without a call: the others get their turns, and no register is lost.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <atomic>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

void flag_of_another_thread() {
  std::atomic<bool> flag{false};
  std::thread setter([&] { flag = true; });
  while (!flag) {
  }
  setter.join();
}

void ping_pong_of_spinners() {
  std::atomic<int> turn{0};
  const auto play = [&](int me) {
    for (int round = 0; round < 5; ++round) {
      while (turn % 2 != me) {
      }
      ++turn;
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  expect_equal(turn.load(), 10, "turns");
}

void sleepers_beside_computing_threads() {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      while (!stop) {
      }
    });
  const stopwatch watch;
  for (int i = 0; i < 5; ++i)
    usleep(1000);
  stop = true;
  for (std::thread& thread : threads)
    thread.join();
  expect(watch.elapsed() < 10s, "sleeping beside threads that compute");
}

void events_beside_a_computing_thread() {
  pipe_pair pipe;
  std::atomic<bool> arrived{false};
  std::thread reader([&] {
    char byte = 0;
    expect_equal(read(pipe.reader, &byte, 1), 1, "read");
    arrived = true;
  });
  usleep(1000);
  expect_equal(write(pipe.writer, "x", 1), 1, "write");
  while (!arrived) {
  }
  reader.join();
}

// A sum that goes wrong if any of sixteen vector registers, or the flags, are not kept.
[[gnu::noinline]] std::uint64_t sum_in_vectors(std::uint64_t rounds) {
  std::uint64_t out[2];
  asm volatile("movq %[one], %%xmm0\n\t"
               "punpcklqdq %%xmm0, %%xmm0\n\t"
               "movdqa %%xmm0, %%xmm1\n\t"
               "movdqa %%xmm0, %%xmm2\n\t"
               "movdqa %%xmm0, %%xmm7\n\t"
               "movdqa %%xmm0, %%xmm8\n\t"
               "movdqa %%xmm0, %%xmm15\n\t"
               "pxor %%xmm3, %%xmm3\n\t"
               "1: paddq %%xmm0, %%xmm3\n\t"
               "paddq %%xmm1, %%xmm3\n\t"
               "paddq %%xmm2, %%xmm3\n\t"
               "paddq %%xmm7, %%xmm3\n\t"
               "paddq %%xmm8, %%xmm3\n\t"
               "paddq %%xmm15, %%xmm3\n\t"
               "dec %[rounds]\n\t"
               "jnz 1b\n\t"
               "movdqu %%xmm3, %[out]\n\t"
               : [out] "=m"(out), [rounds] "+r"(rounds)
               : [one] "r"(std::uint64_t{1})
               : "xmm0", "xmm1", "xmm2", "xmm3", "xmm7", "xmm8", "xmm15", "cc");
  return out[0] + out[1];
}

// The same with the upper halves of the wide registers, where there are any.
[[gnu::noinline, gnu::target("avx2")]] std::uint64_t sum_in_wide_vectors(std::uint64_t rounds) {
  std::uint64_t out[4];
  asm volatile("vmovq %[one], %%xmm0\n\t"
               "vpbroadcastq %%xmm0, %%ymm0\n\t"
               "vmovdqa %%ymm0, %%ymm9\n\t"
               "vpxor %%ymm3, %%ymm3, %%ymm3\n\t"
               "1: vpaddq %%ymm0, %%ymm3, %%ymm3\n\t"
               "vpaddq %%ymm9, %%ymm3, %%ymm3\n\t"
               "dec %[rounds]\n\t"
               "jnz 1b\n\t"
               "vmovdqu %%ymm3, %[out]\n\t"
               "vzeroupper\n\t"
               : [out] "=m"(out), [rounds] "+r"(rounds)
               : [one] "r"(std::uint64_t{1})
               : "xmm0", "xmm3", "xmm9", "cc");
  return out[0] + out[1] + out[2] + out[3];
}

[[gnu::noinline, gnu::target("avx512f")]] std::uint64_t
sum_in_widest_vectors(std::uint64_t rounds) {
  std::uint64_t out[8];
  asm volatile("vpbroadcastq %[one], %%zmm17\n\t"
               "vpxorq %%zmm30, %%zmm30, %%zmm30\n\t"
               "kxnorw %%k1, %%k1, %%k1\n\t"
               "1: vpaddq %%zmm17, %%zmm30, %%zmm30%{%%k1%}\n\t"
               "dec %[rounds]\n\t"
               "jnz 1b\n\t"
               "vmovdqu64 %%zmm30, %[out]\n\t"
               "vzeroupper\n\t"
               : [out] "=m"(out), [rounds] "+r"(rounds)
               : [one] "r"(std::uint64_t{1})
               : "xmm17", "xmm30", "k1", "cc");
  std::uint64_t sum = 0;
  for (const std::uint64_t each : out)
    sum += each;
  return sum;
}

// Several threads compute for some shares of the processor each, and take turns.
void registers_are_kept() {
  constexpr std::uint64_t rounds = 20'000'000;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([] {
      expect_equal(sum_in_vectors(rounds), rounds * 12, "the sum in vectors");
      if (__builtin_cpu_supports("avx2"))
        expect_equal(sum_in_wide_vectors(rounds), rounds * 8, "the sum in wide vectors");
      if (__builtin_cpu_supports("avx512f"))
        expect_equal(sum_in_widest_vectors(rounds), rounds * 8, "the sum in the widest vectors");
    });
  for (std::thread& thread : threads)
    thread.join();
}

// Threads whose stacks have no room for a signal's frame.
void on_the_smallest_stacks() {
  std::atomic<int> done{0};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, static_cast<std::size_t>(sysconf(_SC_THREAD_STACK_MIN)));
  pthread_t threads[4];
  for (pthread_t& thread : threads)
    pthread_create(
        &thread, &attributes,
        [](void* counter) -> void* {
          for (int i = 0; i < 20'000'000; ++i)
            asm volatile("" : : "r"(i));
          ++*static_cast<std::atomic<int>*>(counter);
          return nullptr;
        },
        &done);
  for (const pthread_t thread : threads)
    pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  expect_equal(done.load(), 4, "threads that ended");
}

// Calls that the kernel makes do not notice that others compute.
void calls_beside_computing_threads() {
  std::atomic<bool> stop{false};
  std::thread computing([&] {
    while (!stop) {
    }
  });
  const int set = semget(IPC_PRIVATE, 1, 0600);
  std::thread waiting([&] {
    for (int i = 0; i < 5; ++i) {
      sembuf take{0, -1, 0};
      expect_equal(semop(set, &take, 1), 0, "semop");
    }
  });
  for (int i = 0; i < 5; ++i) {
    usleep(15'000);
    sembuf give{0, 1, 0};
    expect_equal(semop(set, &give, 1), 0, "semop");
  }
  waiting.join();
  stop = true;
  computing.join();
  semctl(set, 0, IPC_RMID);
}

std::atomic<int> handled{0};

void signals_for_a_computing_thread() {
  struct sigaction action {};
  action.sa_handler = [](int) { ++handled; };
  sigaction(SIGUSR1, &action, nullptr);
  std::atomic<bool> stop{false};
  std::thread computing([&] {
    while (!stop) {
    }
  });
  std::thread other([&] {
    while (!stop) {
    }
  });
  for (int i = 1; i <= 5; ++i) {
    pthread_kill(computing.native_handle(), SIGUSR1);
    wait_until([&] { return handled == i; }, "the handler runs");
  }
  stop = true;
  computing.join();
  other.join();
}

// The program's own use of the signal by which weft interrupts.
void urgent_signals_of_the_programs_own() {
  static std::atomic<int> urgent;
  urgent = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { ++urgent; };
  sigaction(SIGURG, &action, nullptr);
  std::atomic<bool> stop{false};
  std::thread computing([&] {
    while (!stop) {
    }
  });
  for (int i = 1; i <= 5; ++i) {
    kill(getpid(), SIGURG);
    wait_until([&] { return urgent == i; }, "the handler runs");
  }
  usleep(50'000);
  stop = true;
  computing.join();
  expect_equal(urgent.load(), 5, "signals handled");
  signal(SIGURG, SIG_DFL);
}

void blocked_and_awaited_urgent_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGURG);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::atomic<bool> stop{false};
  std::thread computing([&] {
    while (!stop) {
    }
  });
  usleep(20'000);
  raise(SIGURG);
  siginfo_t info{};
  expect_equal(sigwaitinfo(&set, &info), SIGURG, "sigwaitinfo");
  expect_equal(info.si_pid, getpid(), "the sender");
  stop = true;
  computing.join();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

const checks registered{
    {"flag_of_another_thread", flag_of_another_thread},
    {"ping_pong_of_spinners", ping_pong_of_spinners},
    {"sleepers_beside_computing_threads", sleepers_beside_computing_threads},
    {"events_beside_a_computing_thread", events_beside_a_computing_thread},
    {"registers_are_kept", registers_are_kept},
    {"on_the_smallest_stacks", on_the_smallest_stacks},
    {"calls_beside_computing_threads", calls_beside_computing_threads},
    {"signals_for_a_computing_thread", signals_for_a_computing_thread},
    {"urgent_signals_of_the_programs_own", urgent_signals_of_the_programs_own},
    {"blocked_and_awaited_urgent_signal", blocked_and_awaited_urgent_signal},
};

} // namespace
