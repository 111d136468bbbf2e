// SPDX-License-Identifier: BSL-1.0
#include "bench/micro/cases.hpp"

int main(int argc, char** argv) {
  benchmark::RegisterBenchmark("mutex", &bench::thread_mutex)->MeasureProcessCPUTime();
  bench::run_program(argc, argv);
}
