// SPDX-License-Identifier: BSL-1.0
// A server on libmicrohttpd with a thread for each connection: `http_server PORT`, until SIGTERM.
//   /numbers/N   the numbers below N, a line each      /sleep/MS   answers after that time
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum MHD_Result respond(struct MHD_Connection* connection, unsigned status, char* text,
                               size_t size) {
  struct MHD_Response* response =
      MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
  enum MHD_Result result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result handle(void* unused, struct MHD_Connection* connection, const char* url,
                              const char* method, const char* version, const char* upload,
                              size_t* upload_size, void** state) {
  (void)unused, (void)method, (void)version, (void)upload, (void)upload_size;
  static int seen;
  if (*state == NULL) { // the first call for a request brings the headers only
    *state = &seen;
    return MHD_YES;
  }
  unsigned number = 0;
  if (sscanf(url, "/numbers/%u", &number) == 1 && number <= 100000) {
    char* text = malloc(number * 7 + 1);
    size_t size = 0;
    if (text == NULL) return MHD_NO;
    for (unsigned i = 0; i < number; ++i)
      size += (size_t)sprintf(text + size, "%u\n", i);
    return respond(connection, 200, text, size);
  }
  if (sscanf(url, "/sleep/%u", &number) == 1 && number <= 10000) {
    usleep(number * 1000);
    return respond(connection, 200, strdup("slept\n"), 6);
  }
  return respond(connection, 404, strdup("nothing\n"), 8);
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: http_server PORT\n");
    return 2;
  }
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, NULL); // before the library makes threads
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(argv[1])),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct MHD_Daemon* server = MHD_start_daemon(
      MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL,
      handle, NULL, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT, 2000U,
      MHD_OPTION_LISTEN_BACKLOG_SIZE, 512U, MHD_OPTION_END);
  if (server == NULL) {
    fprintf(stderr, "http_server: cannot listen on port %s\n", argv[1]);
    return 1;
  }
  int number = 0;
  sigwait(&ends, &number);
  MHD_stop_daemon(server);
  puts("stopped");
  return 0;
}
