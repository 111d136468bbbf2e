// SPDX-License-Identifier: BSL-1.0
// In C, where pthread_cleanup_push makes real handlers (in C++ it makes objects).
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

void cleanup_handlers_run_in_order(char* order, sem_t* waits_here);

struct note {
  char* order;
  const char* word;
};

static void add(void* argument) {
  const struct note* note = argument;
  strcat(note->order, note->word);
}

void cleanup_handlers_run_in_order(char* order, sem_t* waits_here) {
  struct note outer = {order, "outer "};
  struct note inner = {order, "inner "};
  struct note popped = {order, "popped "};
  struct note dropped = {order, "dropped "};
  pthread_cleanup_push(add, &outer);
  pthread_cleanup_push(add, &inner);
  pthread_cleanup_push(add, &popped);
  pthread_cleanup_pop(1);
  pthread_cleanup_push(add, &dropped);
  pthread_cleanup_pop(0);
  sem_post(waits_here);
  sleep(60);
  strcat(order, "returned ");
  pthread_cleanup_pop(0);
  pthread_cleanup_pop(0);
}
