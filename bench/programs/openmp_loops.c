// SPDX-License-Identifier: BSL-1.0
//
// openmp_loops COUNT: so many short parallel loops, each of which adds up the numbers below 1000.
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  long loops = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  long sum = 0;
  for (long i = 0; i < loops; ++i) {
#pragma omp parallel for reduction(+ : sum)
    for (int j = 0; j < 1000; ++j)
      sum += j;
  }
  printf("%ld\n", sum);
  return 0;
}
