// SPDX-License-Identifier: BSL-1.0
//
// An echo server as one writes it first: a thread per connection, blocking calls, plain pthreads.
// It knows nothing of weft; `weft thread_server` runs the same binary on green threads.
//
//   thread_server [PORT]      listens on 127.0.0.1, on a free port if none or 0 is given,
//                             prints "listening PORT", and ends at SIGTERM or SIGINT.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener = -1;
static volatile sig_atomic_t stopping;

// shutdown() is async-signal-safe and lets accept() fail with EINVAL in whichever thread it
// waits, so that no signal can slip in between a check of the flag and the call.
static void stop(int signal_number) {
  (void)signal_number;
  stopping = 1;
  shutdown(listener, SHUT_RD);
}

static int send_all(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return -1;
    bytes += sent;
    size -= (size_t)sent;
  }
  return 0;
}

static void* serve(void* argument) {
  int fd = (int)(intptr_t)argument;
  char buffer[4096];
  for (;;) {
    ssize_t received = recv(fd, buffer, sizeof buffer, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0 || send_all(fd, buffer, (size_t)received) != 0) break;
  }
  close(fd);
  return NULL;
}

static void die(const char* what) {
  fprintf(stderr, "thread_server: %s: %s\n", what, strerror(errno));
  exit(1);
}

static unsigned listen_on(unsigned port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int one = 1;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) die("socket");
  if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0) die("setsockopt");
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0) die("bind");
  if (listen(listener, 4096) != 0) die("listen");
  if (getsockname(listener, (struct sockaddr*)&address, &length) != 0) die("getsockname");
  return ntohs(address.sin_port);
}

// A thread per connection needs a descriptor per connection.
static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char** argv) {
  char* end = NULL;
  unsigned long port = argc > 1 ? strtoul(argv[1], &end, 10) : 0;
  if (argc > 2 || (end != NULL && (*end != '\0' || end == argv[1])) || port > 65535) {
    fprintf(stderr, "usage: thread_server [PORT]\n");
    return 2;
  }
  raise_descriptor_limit();
  unsigned bound = listen_on((unsigned)port);

  struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);

  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);

  printf("listening %u\n", bound);
  fflush(stdout);

  while (!stopping) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) {
      if (stopping) break;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      die("accept");
    }
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    pthread_t thread;
    int error = pthread_create(&thread, &detached, serve, (void*)(intptr_t)fd);
    if (error != 0) {
      fprintf(stderr, "thread_server: pthread_create: %s\n", strerror(error));
      close(fd);
    }
  }
  pthread_attr_destroy(&detached);
  return 0;
}
