// SPDX-License-Identifier: BSL-1.0
//
// Threads that wait in every way, by functions whose names a stack is known by.
//
//     subject LOCK_FILE [spin] [self] [other] [fifo] [core]
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int stop;
static int ends[2];
static const char* lock_file;

#define KEPT __attribute__((noinline)) void
#define NO_TAIL_CALL __asm__ volatile("")

KEPT wait_for_mutex(void) {
  pthread_mutex_lock(&lock);
  pthread_mutex_unlock(&lock);
  NO_TAIL_CALL;
}
KEPT wait_for_pipe(void) {
  char byte;
  if (read(ends[0], &byte, 1) != 1) abort();
  NO_TAIL_CALL;
}
KEPT sleep_long(void) {
  usleep(2000000);
  NO_TAIL_CALL;
}
KEPT spin(void) {
  while (!stop)
    ;
  NO_TAIL_CALL;
}
KEPT wait_for_file_lock(void) {
  // The second open file waits for the first one's lock, natively, until a third thread closes it.
  const int mine = open(lock_file, O_RDWR);
  if (mine < 0 || flock(mine, LOCK_EX) != 0) abort();
  close(mine);
  NO_TAIL_CALL;
}

// What has no lock to be tried first holds its worker until that is found out.
static char fifo[4096];
KEPT wait_for_writer(void) {
  const int mine = open(fifo, O_RDONLY);
  if (mine < 0) abort();
  close(mine);
  NO_TAIL_CALL;
}

static volatile int computing, asked;
KEPT ask_while_main_computes(void) {
  while (!computing)
    usleep(1000);
  kill(getpid(), SIGUSR2);
  // Who gets the signal may have to wait for a turn.
  struct timespec begun, now;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  do
    clock_gettime(CLOCK_MONOTONIC, &now);
  while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 < 200);
  asked = 1;
}
KEPT compute_until_asked(void) {
  computing = 1;
  while (!asked)
    ;
  NO_TAIL_CALL;
}

static void* run(void* argument) {
  const char* name = argument;
  pthread_setname_np(pthread_self(), name);
  if (strcmp(name, "locker") == 0) wait_for_mutex();
  if (strcmp(name, "reader") == 0) wait_for_pipe();
  if (strcmp(name, "sleeper") == 0) sleep_long();
  if (strcmp(name, "spinner") == 0) spin();
  if (strcmp(name, "opener") == 0) wait_for_writer();
  if (strcmp(name, "asker") == 0) ask_while_main_computes();
  if (strcmp(name, "filer") == 0) wait_for_file_lock();
  return argument;
}

KEPT all_are_there(void) { // a breakpoint's place
  NO_TAIL_CALL;
}

int main(int argc, char** argv) {
  const char* names[8] = {"locker", "reader", "sleeper", "filer"};
  int count = 4, send = 0, compute = 0, wait_for_open = 0, dump_core = 0;
  for (int i = 2; i < argc; ++i) {
    if (strcmp(argv[i], "spin") == 0) names[count++] = "spinner";
    if (strcmp(argv[i], "self") == 0) send = 1;
    if (strcmp(argv[i], "fifo") == 0) names[count++] = "opener", wait_for_open = 1;
    if (strcmp(argv[i], "other") == 0) names[count++] = "asker", compute = 1;
    if (strcmp(argv[i], "core") == 0) dump_core = 1;
  }
  lock_file = argv[1];
  const int held = open(lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  snprintf(fifo, sizeof fifo, "%s.fifo", lock_file);
  if (wait_for_open && mkfifo(fifo, 0600) != 0) return 2;
  if (held < 0 || flock(held, LOCK_EX) != 0 || pipe(ends) != 0) return 2;
  pthread_mutex_lock(&lock);
  pthread_t threads[8];
  for (int i = 0; i < count; ++i)
    if (pthread_create(&threads[i], NULL, run, (void*)names[i]) != 0) return 2;
  usleep(150000);
  all_are_there();
  if (dump_core) abort();
  if (send) kill(getpid(), SIGUSR2);
  if (compute) compute_until_asked();
  printf("ready\n");
  fflush(stdout);
  usleep(send || compute ? 1200000 : 300000);
  stop = 1;
  pthread_mutex_unlock(&lock);
  close(held);
  if (wait_for_open && open(fifo, O_RDWR) < 0) return 2;
  if (write(ends[1], "x", 1) != 1) return 2;
  for (int i = 0; i < count; ++i)
    pthread_join(threads[i], NULL);
  printf("done\n");
  return 0;
}
