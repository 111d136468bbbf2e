// SPDX-License-Identifier: BSL-1.0
//
// An ordinary threaded program, without a word about weft, that does what its first argument says
// and tells what it found.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static void fail(const char* what) {
  fprintf(stderr, "subject: %s: %s\n", what, strerror(errno));
  exit(99);
}
static void must(int ok, const char* what) {
  if (!ok) fail(what);
}

static void sleep_ms(long ms) {
  const struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  must(nanosleep(&t, NULL) == 0, "nanosleep");
}

// ---- work: a known number of threads, sleeps and reads that wait

enum { workers = 8, naps = 3 };
static int pipes[workers][2];

static void* work(void* argument) {
  const int* ends = argument;
  for (int i = 0; i < naps; ++i)
    sleep_ms(2);
  char c;
  must(read(ends[0], &c, 1) == 1, "read");
  must(close(ends[0]) == 0, "close");
  return NULL;
}

static void do_work(void) {
  pthread_t threads[workers];
  for (int i = 0; i < workers; ++i) {
    must(pipe(pipes[i]) == 0, "pipe");
    must(pthread_create(&threads[i], NULL, work, pipes[i]) == 0, "pthread_create");
  }
  sleep_ms(200); // all wait for their pipes by now
  for (int i = 0; i < workers; ++i)
    must(write(pipes[i][1], "x", 1) == 1, "write");
  for (int i = 0; i < workers; ++i) {
    pthread_join(threads[i], NULL);
    close(pipes[i][1]);
  }
  puts("worked");
}

// ---- stack: what threads get

static void* tell_stack(void* name) {
  pthread_attr_t attributes;
  void* at;
  size_t size, guard;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &at, &size);
  pthread_attr_getguardsize(&attributes, &guard);
  printf("%s %zu guard %zu\n", (const char*)name, size, guard);
  pthread_attr_destroy(&attributes);
  return NULL;
}

static void do_stack(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, tell_stack, "default");
  pthread_join(thread, NULL);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 1 << 20);
  pthread_attr_setguardsize(&attributes, 1 << 16);
  pthread_create(&thread, &attributes, tell_stack, "asked-for");
  pthread_join(thread, NULL);
}

// ---- mapped, children: whether weft is there

static void do_mapped(const char* how) {
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[4096];
  int found = 0;
  must(maps != NULL, "maps");
  while (fgets(line, sizeof line, maps))
    found |= strstr(line, "libweft-patch") != NULL;
  fclose(maps);
  const char* preload = getenv("LD_PRELOAD");
  printf("%s: %s, LD_PRELOAD %s\n", how, found ? "mapped" : "not mapped",
         preload ? preload : "unset");
  fflush(stdout);
}

static void do_children(const char* self) {
  do_mapped("parent");
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    execl(self, self, "mapped", "fork and exec", (char*)NULL);
    _exit(98);
  }
  waitpid(pid, &status, 0);
  char* arguments[] = {(char*)self, "mapped", "posix_spawn", NULL};
  must(posix_spawn(&pid, self, NULL, NULL, arguments, environ) == 0, "posix_spawn");
  waitpid(pid, &status, 0);
  char command[4096];
  snprintf(command, sizeof command, "'%s' mapped system", self);
  must(system(command) == 0, "system");
}

// ---- descriptors

static int by_number(const void* a, const void* b) {
  return *(const int*)a - *(const int*)b;
}

static void list_descriptors(const char* who) {
  int all[4096], count = 0;
  DIR* dir = opendir("/proc/self/fd");
  must(dir != NULL, "opendir");
  for (struct dirent* e; (e = readdir(dir)) && count < 4096;)
    if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(dir)) all[count++] = atoi(e->d_name);
  closedir(dir);
  qsort(all, count, sizeof *all, by_number);
  printf("%s:", who);
  for (int i = 0; i < count; ++i)
    printf(" %d", all[i]);
  puts("");
  fflush(stdout);
}

static int kernel_threads(void) {
  int count = 0;
  DIR* dir = opendir("/proc/self/task");
  must(dir != NULL, "opendir");
  for (struct dirent* e; (e = readdir(dir));)
    count += e->d_name[0] != '.';
  closedir(dir);
  return count;
}

static void tell_lines(const char* file, const char* const* names) {
  FILE* status = fopen(file, "r");
  char line[256];
  must(status != NULL, file);
  while (fgets(line, sizeof line, status))
    for (const char* const* name = names; *name; ++name)
      if (strncmp(line, *name, strlen(*name)) == 0) fputs(line, stdout);
  fclose(status);
}

/// One thread: nothing of it is to differ.
static void do_alone(void) {
  static const char* const names[] = {
      "Seccomp:", "NoNewPrivs:", "SigBlk:", "SigIgn:", "SigCgt:", "Threads:", "FDSize:", NULL};
  list_descriptors("own");
  printf("kernel threads %d\n", kernel_threads());
  tell_lines("/proc/self/status", names);
  int count = 0;
  while (dup(0) >= 0)
    ++count;
  printf("%d more, then %s\n", count, strerror(errno));
}

static double computing_time = 0.1; // seconds

static void* compute(void* unused) {
  struct timespec begun, now;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  do
    clock_gettime(CLOCK_MONOTONIC, &now);
  while (now.tv_sec - begun.tv_sec + (now.tv_nsec - begun.tv_nsec) / 1e9 < computing_time);
  return unused;
}

/// Threads that make no call; and when they are gone, what is left of weft's.
static void do_compute(void) {
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i)
    must(pthread_create(&threads[i], NULL, compute, NULL) == 0, "pthread_create");
  compute(NULL);
  for (int i = 0; i < 2; ++i)
    must(pthread_join(threads[i], NULL) == 0, "pthread_join");
  sleep_ms(20);
  printf("kernel threads %d\n", kernel_threads());
}

static atomic_int ball;
static int patience; // seconds

/// Waits for the ball by looking, and gives it back, ten times; unless that takes too long.
static void* play(void* argument) {
  const int side = *(int*)argument;
  struct timespec begun, now;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  for (int i = 0; i < 10; ++i) {
    for (long looks = 0; atomic_load(&ball) != side; ++looks) {
      if (looks % 10000 != 0) continue;
      clock_gettime(CLOCK_MONOTONIC, &now);
      if (now.tv_sec - begun.tv_sec > patience) return NULL;
    }
    atomic_store(&ball, 1 - side);
  }
  return argument;
}

static void* use_all_processors(void* unused) {
  cpu_set_t all;
  memset(&all, 0xff, sizeof all);
  must(sched_setaffinity(0, sizeof all, &all) == 0, "sched_setaffinity");
  return unused;
}

/// Two threads that only go on if both run at the same time. "later": they get the processors when
/// there are threads already.
static void do_meet(const char* when, int seconds) {
  patience = seconds;
  static int sides[2] = {0, 1};
  pthread_t threads[2];
  if (strcmp(when, "later") == 0) {
    must(pthread_create(&threads[0], NULL, use_all_processors, NULL) == 0, "pthread_create");
    must(pthread_join(threads[0], NULL) == 0, "pthread_join");
    use_all_processors(NULL);
  }
  int met = 0;
  for (int i = 0; i < 2; ++i)
    must(pthread_create(&threads[i], NULL, play, &sides[i]) == 0, "pthread_create");
  for (int i = 0; i < 2; ++i) {
    void* result;
    must(pthread_join(threads[i], &result) == 0, "pthread_join");
    met += result != NULL;
  }
  printf(met == 2 ? "met\n" : "did not meet\n");
}

// ---- hammer, stuck: what costs those who ask for the same, and who waits in the kernel

enum { hammers = 2, blows = 500000 };
static atomic_int hammers_raised;

/// Wakes nobody, again and again, at the same time as the other.
static void* hammer(void* unused) {
  static int word;
  for (++hammers_raised; hammers_raised < hammers;)
    ;
  for (int i = 0; i < blows; ++i)
    must(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1) == 0, "futex");
  return unused;
}

static void do_hammer(void) {
  pthread_t threads[hammers];
  for (int i = 0; i < hammers; ++i)
    must(pthread_create(&threads[i], NULL, hammer, NULL) == 0, "pthread_create");
  for (int i = 0; i < hammers; ++i)
    pthread_join(threads[i], NULL);
  puts("hammered");
}

static void* open_to_read(void* path) {
  must(open(path, O_RDONLY) >= 0, "open");
  return NULL;
}

/// A thread opens a FIFO, which only the kernel can wait in, and nobody else until this one has
/// slept.
static void do_stuck(const char* path) {
  pthread_t thread;
  must(mkfifo(path, 0600) == 0, "mkfifo");
  must(pthread_create(&thread, NULL, open_to_read, (void*)path) == 0, "pthread_create");
  sleep_ms(50);
  must(open(path, O_WRONLY) >= 0, "open");
  pthread_join(thread, NULL);
  puts("opened");
}

/// A filter that answers EPERM to one call, and leaves the rest alone.
static void do_filter(int forbidden) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)forbidden, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {sizeof code / sizeof *code, code};
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
  must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "PR_SET_SECCOMP");
  puts("filtered");
}

static void* read_one(void* end) {
  char c = 0;
  must(read(*(int*)end, &c, 1) == 1, "read");
  return NULL;
}

/// Children made while a thread waits for input, so that weft has descriptors.
static void do_inherited(void) {
  int ends[2];
  pthread_t thread;
  must(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  must(pthread_create(&thread, NULL, read_one, &ends[0]) == 0, "pthread_create");
  sleep_ms(20);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    list_descriptors("forked");
    char* arguments[] = {"sh", "-c", "echo executed: $(ls /proc/self/fd)", NULL};
    execv("/bin/sh", arguments);
    _exit(98);
  }
  must(waitpid(pid, NULL, 0) == pid, "waitpid");
  must(system("echo system: $(ls /proc/self/fd)") == 0, "system");
  int next = dup(0);
  printf("the next number is %d\n", next);
  close(next);
  must(write(ends[1], "x", 1) == 1, "write");
  pthread_join(thread, NULL);
}

static void exchange(void) {
  int ends[2], both[2];
  pthread_t first, second;
  must(pipe(ends) == 0, "pipe");
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, both) == 0, "socketpair");
  must(pthread_create(&first, NULL, read_one, &ends[0]) == 0, "pthread_create");
  must(pthread_create(&second, NULL, read_one, &both[0]) == 0, "pthread_create");
  sleep_ms(5);
  must(write(ends[1], "x", 1) == 1, "write");
  must(write(both[1], "x", 1) == 1, "write");
  pthread_join(first, NULL);
  pthread_join(second, NULL);
  struct pollfd nothing = {both[0], POLLIN, 0};
  must(poll(&nothing, 1, 3) == 0, "poll");
}

/// Waits in the background all the time, once by a lock and once by a sleep.
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int over;
static void* background(void* unused) {
  pthread_mutex_lock(&mutex);
  while (!over)
    pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
  return unused;
}

static void do_close_all(void) {
  pthread_t thread;
  must(pthread_create(&thread, NULL, background, NULL) == 0, "pthread_create");
  exchange();
  int closed = 0;
  for (int fd = 3; fd < 1024; ++fd)
    closed += close(fd) == 0;
  printf("closed %d\n", closed);
  exchange();
  must(close_range(3, ~0u, 0) == 0, "close_range");
  exchange();
  must(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0, "close_range");
  exchange();
  closefrom(3);
  exchange();
  list_descriptors("left"); // natively three; what weft keeps is beyond
  pthread_mutex_lock(&mutex);
  over = 1;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&mutex);
  pthread_join(thread, NULL);
  puts("alive");
}

// ---- end: the ways to end, with other threads waiting

static void* wait_for_ever(void* unused) {
  for (;;)
    pause();
  return unused;
}
static void* end_process(void* status) {
  exit(*(int*)status);
}

static void do_end(const char* how, int status) {
  pthread_t thread;
  must(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0, "pthread_create");
  if (strcmp(how, "return") == 0) exit(status);
  if (strcmp(how, "mute") == 0) { // as coreutils do, to see whether all was written
    close(2);
    exit(status);
  }
  if (strcmp(how, "signal") == 0) {
    signal(status, SIG_DFL);
    kill(getpid(), status);
    sleep_ms(10000);
  }
  if (strcmp(how, "abort") == 0) abort();
  if (strcmp(how, "thread") == 0) {
    must(pthread_create(&thread, NULL, end_process, &status) == 0, "pthread_create");
    sleep_ms(10000);
  }
  if (strcmp(how, "last") == 0) {
    pthread_cancel(thread);
    pthread_exit(NULL);
  }
}

// ---- tops: at how many places in a page threads begin

enum { top_count = 32 };
static pthread_barrier_t all_begun;

static void* tell_place(void* place) {
  int here;
  *(uintptr_t*)place = (uintptr_t)&here % 4096;
  pthread_barrier_wait(&all_begun);
  return NULL;
}

static int count_places(size_t size, int own) {
  pthread_t threads[top_count];
  uintptr_t places[top_count];
  must(pthread_barrier_init(&all_begun, NULL, top_count) == 0, "pthread_barrier_init");
  for (int i = 0; i < top_count; ++i) {
    pthread_attr_t with;
    must(pthread_attr_init(&with) == 0, "pthread_attr_init");
    if (own) {
      void* stack;
      must(posix_memalign(&stack, 4096, size) == 0, "posix_memalign");
      must(pthread_attr_setstack(&with, stack, size) == 0, "pthread_attr_setstack");
    } else {
      must(pthread_attr_setstacksize(&with, size) == 0, "pthread_attr_setstacksize");
    }
    must(pthread_create(&threads[i], &with, tell_place, &places[i]) == 0, "pthread_create");
  }
  int distinct = 0;
  for (int i = 0; i < top_count; ++i)
    must(pthread_join(threads[i], NULL) == 0, "pthread_join");
  for (int i = 0; i < top_count; ++i) {
    int before = 0;
    while (places[before] != places[i])
      ++before;
    distinct += before == i;
  }
  return distinct;
}

static void do_tops(void) {
  printf("libc's %d\n", count_places(1024 * 1024, 0));
  printf("small %d\n", count_places(16 * 1024, 0));
  printf("own %d\n", count_places(256 * 1024, 1));
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "work") == 0)
    do_work();
  else if (strcmp(what, "nothing") == 0)
    puts("done");
  else if (strcmp(what, "stack") == 0)
    do_stack();
  else if (strcmp(what, "tops") == 0)
    do_tops();
  else if (strcmp(what, "mapped") == 0)
    do_mapped(argv[2]);
  else if (strcmp(what, "children") == 0)
    do_children(argv[0]);
  else if (strcmp(what, "alone") == 0)
    do_alone();
  else if (strcmp(what, "compute") == 0) {
    if (argc > 2) computing_time = atof(argv[2]);
    do_compute();
  } else if (strcmp(what, "hammer") == 0)
    do_hammer();
  else if (strcmp(what, "stuck") == 0)
    do_stuck(argv[2]);
  else if (strcmp(what, "meet") == 0)
    do_meet(argv[2], atoi(argv[3]));
  else if (strcmp(what, "filter") == 0)
    do_filter(atoi(argv[2]));
  else if (strcmp(what, "inherited") == 0)
    do_inherited();
  else if (strcmp(what, "close-all") == 0)
    do_close_all();
  else if (strcmp(what, "end") == 0)
    do_end(argv[2], atoi(argv[3]));
  else
    return 97;
  return 0;
}
