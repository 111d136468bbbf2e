// SPDX-License-Identifier: BSL-1.0
//
// threads COUNT [locked | plain [STACK_KIB]]: that many threads, or as many as can be made, are
// alive at once, add one each to a counter and are joined; with all memory locked if so asked.
// Prints both numbers, and how much memory was charged to the process when all were alive.
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static sem_t arrived;
static long counted;
static int open_now;

static void* count(void* argument) {
  char* block = malloc(64); // where there is no memory left the thread still counts
  if (block) memset(block, 1, 64);
  sem_post(&arrived);
  pthread_mutex_lock(&lock);
  while (!open_now)
    pthread_cond_wait(&changed, &lock);
  counted += block ? block[63] : 1;
  pthread_mutex_unlock(&lock);
  free(block);
  return argument;
}

// KiB that may be written to and belong to the process: what it is charged for where nothing may be
// promised that is not there (overcommit_memory 2).
static long charged(void) {
  FILE* status = fopen("/proc/self/status", "r");
  long found = -1;
  char line[256];
  while (status && fgets(line, sizeof line, status))
    sscanf(line, "VmData: %ld", &found);
  if (status) fclose(status);
  return found;
}

int main(int argc, char** argv) {
  const long wanted = argc > 1 ? atol(argv[1]) : 100;
  if (argc > 2 && strcmp(argv[2], "locked") == 0 && mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
    printf("mlockall is not allowed\n");
    return 77;
  }
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, (argc > 3 ? (size_t)atol(argv[3]) : 32) * 1024);
  sem_init(&arrived, 0, 0);
  pthread_t* threads = calloc((size_t)wanted, sizeof *threads);
  long made = 0;
  while (made < wanted && pthread_create(&threads[made], &attributes, count, threads) == 0)
    ++made;
  for (long i = 0; i < made; ++i)
    while (sem_wait(&arrived) != 0)
      ;
  const long memory = charged();
  pthread_mutex_lock(&lock);
  open_now = 1;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  for (long i = 0; i < made; ++i) {
    void* result = NULL;
    if (pthread_join(threads[i], &result) != 0 || result != threads) return 3;
  }
  free(threads);
  printf("made %ld, counted %ld, charged %ld KiB\n", made, counted, memory);
  return 0;
}
