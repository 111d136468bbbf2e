// SPDX-License-Identifier: BSL-1.0
//
// Threads that wait in every way, by functions whose names a stack is known by.
//
//     subject LOCK_FILE [spin] [self] [core]
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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
  usleep(400000);
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

static void* run(void* argument) {
  const char* name = argument;
  pthread_setname_np(pthread_self(), name);
  if (strcmp(name, "locker") == 0) wait_for_mutex();
  if (strcmp(name, "reader") == 0) wait_for_pipe();
  if (strcmp(name, "sleeper") == 0) sleep_long();
  if (strcmp(name, "spinner") == 0) spin();
  if (strcmp(name, "filer") == 0) wait_for_file_lock();
  return argument;
}

KEPT all_are_there(void) { // a breakpoint's place
  NO_TAIL_CALL;
}

int main(int argc, char** argv) {
  const char* names[8] = {"locker", "reader", "sleeper", "filer"};
  int count = 4, send = 0, dump_core = 0;
  for (int i = 2; i < argc; ++i) {
    if (strcmp(argv[i], "spin") == 0) names[count++] = "spinner";
    if (strcmp(argv[i], "self") == 0) send = 1;
    if (strcmp(argv[i], "core") == 0) dump_core = 1;
  }
  lock_file = argv[1];
  const int held = open(lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (held < 0 || flock(held, LOCK_EX) != 0 || pipe(ends) != 0) return 2;
  pthread_mutex_lock(&lock);
  pthread_t threads[8];
  for (int i = 0; i < count; ++i)
    if (pthread_create(&threads[i], NULL, run, (void*)names[i]) != 0) return 2;
  usleep(150000);
  all_are_there();
  if (dump_core) abort();
  if (send) kill(getpid(), SIGUSR2);
  printf("ready\n");
  fflush(stdout);
  usleep(send ? 100000 : 300000);
  stop = 1;
  pthread_mutex_unlock(&lock);
  close(held);
  if (write(ends[1], "x", 1) != 1) return 2;
  for (int i = 0; i < count; ++i)
    pthread_join(threads[i], NULL);
  printf("done\n");
  return 0;
}
