// SPDX-License-Identifier: BSL-1.0
// What spawn_any gains on several processors: many tasks that compute for so long each, spawned by
// one fiber and joined by it, on one hub after another up to as many as there are processors. Wall
// time, the best of some rounds, and processor time, of which the rest is what a task costs.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "weft/weft.hpp"

namespace {

using clock_type = std::chrono::steady_clock;

/// Computes for about so many nanoseconds, on whichever processor.
class work {
 public:
  work() {
    constexpr std::size_t many = 20'000'000;
    const auto start = clock_type::now();
    turn(many);
    per_nanosecond_ =
        many / std::chrono::duration<double, std::nano>(clock_type::now() - start).count();
  }
  void operator()(unsigned nanoseconds) const {
    turn(static_cast<std::size_t>(nanoseconds * per_nanosecond_));
  }

 private:
  static void turn(std::size_t times) {
    std::size_t value = times;
    for (std::size_t i = 0; i < times; ++i)
      asm volatile("" : "+r"(value));
  }
  double per_nanosecond_ = 1;
};

struct cost {
  double wall, processors; // seconds
};

double processor_time() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

cost measure(unsigned workers, std::size_t tasks, unsigned nanoseconds, const work& compute) {
  return weft::run(
      [&] {
        std::vector<weft::task<void>> all;
        all.reserve(tasks);
        const auto start = clock_type::now();
        const double before = processor_time();
        for (std::size_t i = 0; i < tasks; ++i)
          all.push_back(weft::spawn_any([&compute, nanoseconds] { compute(nanoseconds); }));
        for (auto& task : all)
          task.join();
        return cost{std::chrono::duration<double>(clock_type::now() - start).count(),
                    processor_time() - before};
      },
      {.workers = workers});
}

} // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
  const unsigned most = weft::usable_processors();
  const work compute;
  std::printf("%-10s %8s %8s %12s %8s %16s\n", "each", "tasks", "workers", "tasks/s", "times",
              "processor/task");
  for (const unsigned nanoseconds : {0U, 200U, 1'000U, 10'000U, 100'000U, 1'000'000U}) {
    const std::size_t tasks = std::min<std::size_t>(200'000, 200'000'000 / (nanoseconds + 500));
    double alone = 0;
    for (unsigned workers = 1; workers <= most; workers *= 2) {
      cost best{1e9, 1e9};
      for (int i = 0; i < rounds; ++i) {
        const cost now = measure(workers, tasks, nanoseconds, compute);
        best = {std::min(best.wall, now.wall), std::min(best.processors, now.processors)};
      }
      if (workers == 1) alone = best.wall;
      const auto count = static_cast<double>(tasks);
      std::printf("%7u ns %8zu %8u %12.0f %7.2fx %13.0f ns\n", nanoseconds, tasks, workers,
                  count / best.wall, alone / best.wall, best.processors / count * 1e9);
    }
  }
}
