// SPDX-License-Identifier: BSL-1.0
//
// shapes CASE SECONDS: threads that compute, or wake each other, for so long. Prints how much they
// got done and in what time, as a line of JSON. Plain pthreads and libc.
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace {

using count = long long;

void check(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "shapes: %s\n", what);
  std::exit(1);
}

double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

std::atomic<bool> over{false};

/// Each thread's own, on a line of its own.
struct alignas(64) tally {
  count done = 0;
};

/// Runs body(i, its tally) in each of `threads` threads until it sees `over`; the sum.
template <class Body>
count in_threads(int threads, double seconds, Body&& body) {
  std::vector<tally> tallies(static_cast<std::size_t>(threads));
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i)
    all.emplace_back([&body, i, &mine = tallies[static_cast<std::size_t>(i)]] { body(i, mine); });
  const timespec span{static_cast<time_t>(seconds), static_cast<long>(seconds * 1e9) % 1000000000};
  nanosleep(&span, nullptr);
  over = true;
  for (auto& thread : all)
    thread.join();
  count sum = 0;
  for (const tally& each : tallies)
    sum += each.done;
  return sum;
}

/// Four threads that know nothing of each other. An operation is some 10 us of arithmetic.
count compute(double seconds) {
  static std::atomic<std::uint64_t> sink{0};
  return in_threads(4, seconds, [](int i, tally& mine) {
    auto x = static_cast<std::uint64_t>(i);
    for (; !over; ++mine.done)
      for (int round = 0; round < 10'000; ++round)
        x = x * 6364136223846793005U + 1442695040888963407U;
    sink += x;
  });
}

/// Four threads that go through their parts of arrays too large for the caches, and meet after each
/// pass. An operation is a pass.
count memory(double seconds) {
  constexpr int threads = 4;
  constexpr std::size_t length = std::size_t{2} << 20; // of each of three arrays: 48 MiB in all
  const std::vector<double> b(length, 1.0);
  const std::vector<double> c(length, 2.0);
  std::vector<double> a(length);
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, nullptr, threads);
  bool last = false;
  const count passes = in_threads(threads, seconds, [&](int i, tally& mine) {
    const std::size_t part = length / threads;
    const std::size_t begin = part * static_cast<std::size_t>(i);
    for (;;) {
      for (std::size_t at = begin; at < begin + part; ++at)
        a[at] = b[at] + 3.0 * c[at];
      if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
        ++mine.done;
        last = over;
      }
      pthread_barrier_wait(&barrier);
      if (last) break;
    }
  });
  pthread_barrier_destroy(&barrier);
  check(std::all_of(a.begin(), a.end(), [](double x) { return x == 7.0; }), "a wrong sum");
  return passes;
}

constexpr int pairs = 16;

/// Pairs that wake each other by semaphores. An operation is a turn.
count semaphores(double seconds) {
  struct pair {
    sem_t to[2];
    bool last = false;
  };
  const auto all = std::make_unique<pair[]>(pairs);
  for (int i = 0; i < pairs; ++i)
    for (sem_t& each : all[static_cast<std::size_t>(i)].to)
      sem_init(&each, 0, 0);
  return in_threads(2 * pairs, seconds, [&](int i, tally& mine) {
    pair& ours = all[static_cast<std::size_t>(i) / 2];
    const int side = i % 2;
    if (side == 0) sem_post(&ours.to[1]); // begins
    for (;;) {
      sem_wait(&ours.to[side]);
      if (ours.last) break;
      ++mine.done;
      const bool last = ours.last = over;
      sem_post(&ours.to[1 - side]);
      if (last) break;
    }
  });
}

/// The same by a mutex and a condition variable.
count conditions(double seconds) {
  struct pair {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
    int turn = 0;
    bool last = false;
  };
  const auto all = std::make_unique<pair[]>(pairs);
  return in_threads(2 * pairs, seconds, [&](int i, tally& mine) {
    pair& ours = all[static_cast<std::size_t>(i) / 2];
    const int side = i % 2;
    pthread_mutex_lock(&ours.mutex);
    while (!ours.last) {
      while (ours.turn != side)
        pthread_cond_wait(&ours.changed, &ours.mutex);
      if (ours.last) break;
      ++mine.done;
      ours.turn = 1 - side;
      ours.last = over;
      pthread_cond_signal(&ours.changed);
    }
    pthread_mutex_unlock(&ours.mutex);
  });
}

/// A hundred threads in a ring that pass four tokens on. An operation is a pass.
count ring(double seconds) {
  constexpr int threads = 100;
  constexpr int tokens = 4;
  const auto places = std::make_unique<sem_t[]>(threads);
  for (int i = 0; i < threads; ++i)
    sem_init(&places[static_cast<std::size_t>(i)], 0, i % (threads / tokens) == 0);
  return in_threads(threads, seconds, [&](int i, tally& mine) {
    sem_t& here = places[static_cast<std::size_t>(i)];
    sem_t& next = places[static_cast<std::size_t>((i + 1) % threads)];
    for (bool last = false; !last; sem_post(&next)) {
      sem_wait(&here);
      ++mine.done;
      last = over; // whoever is next is still there, or has had its last
    }
  });
}

struct shape {
  const char* name;
  count (*run)(double seconds);
};
constexpr shape shapes[] = {{"compute", compute},
                            {"memory", memory},
                            {"semaphores", semaphores},
                            {"conditions", conditions},
                            {"ring", ring}};

} // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 2 ? std::atof(argv[2]) : 1;
  for (const shape& each : shapes) {
    if (argc < 2 || std::strcmp(argv[1], each.name) != 0) continue;
    const double began = now();
    const count done = each.run(seconds);
    check(done > 0, "nothing was done");
    std::printf("{\"operations\": %lld, \"seconds\": %.6f}\n", done, now() - began);
    return 0;
  }
  std::fprintf(stderr, "usage: shapes CASE SECONDS\n");
  return 2;
}
