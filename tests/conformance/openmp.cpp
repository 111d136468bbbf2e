// SPDX-License-Identifier: BSL-1.0
// OpenMP, whose threads spin before they sleep.
#include "tests/conformance/check.hpp"

#include <omp.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

void loops_and_reductions() {
  omp_set_num_threads(4);
  long sum = 0;
  for (int round = 0; round < 20; ++round) {
#pragma omp parallel for reduction(+ : sum)
    for (int i = 0; i < 1000; ++i)
      sum += i;
  }
  expect_equal(sum, 20L * 499'500, "the sum");
}

void barriers_and_critical_sections() {
  omp_set_num_threads(4);
  int turns = 0;
  bool together = true;
#pragma omp parallel
  {
    for (int round = 1; round <= 10; ++round) {
#pragma omp critical
      ++turns;
#pragma omp barrier
#pragma omp single
      together = together && turns == 4 * round;
    }
  }
  expect(together, "all threads meet at each barrier");
  expect_equal(turns, 40, "turns");
}

void tasks_that_wait() {
  omp_set_num_threads(4);
  std::vector<int> done(20);
#pragma omp parallel
#pragma omp single
  for (int i = 0; i < 20; ++i) {
#pragma omp task firstprivate(i) shared(done)
    {
      usleep(200);
      done[static_cast<std::size_t>(i)] = i;
    }
  }
  for (int i = 0; i < 20; ++i)
    expect_equal(done[static_cast<std::size_t>(i)], i, "a task");
}

void nested_regions() {
  omp_set_num_threads(2);
  omp_set_max_active_levels(2);
  int count = 0;
#pragma omp parallel
#pragma omp parallel
#pragma omp atomic
  ++count;
  expect_equal(count, 4, "threads of the inner regions");
}

const checks registered{
    {"loops_and_reductions", loops_and_reductions},
    {"barriers_and_critical_sections", barriers_and_critical_sections},
    {"tasks_that_wait", tasks_that_wait},
    {"nested_regions", nested_regions},
};

} // namespace
